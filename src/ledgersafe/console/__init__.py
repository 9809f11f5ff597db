"""Streamlit pages for operators: an HTTP client like any other."""
