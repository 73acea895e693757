"""
External plugins: programs that write charts and samples on standard output.
"""
