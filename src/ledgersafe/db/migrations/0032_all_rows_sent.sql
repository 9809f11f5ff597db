-- Whoever sends rows of a file asks which of them made events before. Of an event of very many rows only the first were kept,
-- and the others were guessed: some counted twice, some never.

ALTER TABLE files.origins ADD COLUMN all_rows int8multirange;
COMMENT ON COLUMN files.origins.all_rows IS 'All of its rows, where there are more than row_numbers lists. Of arrivals from before this column none: which further ones they were is not known.';
