"""What becomes of a file: its columns and rows judged, loaded into a table or sent as events; `deliver` joins it."""
