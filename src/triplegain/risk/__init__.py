"""The risk gate: pure limits between a wish and an order. It may shrink or refuse, never enlarge."""
