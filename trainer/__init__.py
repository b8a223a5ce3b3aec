"""Makes the models of Quiet Page from text: a command-line program of its own, never imported by the app."""
