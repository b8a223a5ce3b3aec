"""The model behind one small interface. Knows nothing of journals, vaults or windows."""
