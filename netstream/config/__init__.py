"""
The configuration files, parsed once into one frozen class a section.
"""
