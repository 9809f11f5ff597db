"""What Streamlit runs. It has a folder of its own: beside a folder `pages`, Streamlit would run the files in that."""
