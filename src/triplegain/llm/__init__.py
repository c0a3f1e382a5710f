"""Language models behind one port: a request goes in, an answer or a failure comes out. It knows no market."""
