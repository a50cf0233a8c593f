"""The profile language: ``model`` (types), ``text`` (for people), ``document`` (YAML).

Import from the modules: those who only need the model then need no parser.
"""
