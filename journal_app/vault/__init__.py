"""The encrypted file. Only this package imports sqlcipher3 or derives keys.

``records`` (values and the ``Store`` protocol) is standard library only and is what the rest of
the app imports; ``vault`` opens and creates journals.
"""
