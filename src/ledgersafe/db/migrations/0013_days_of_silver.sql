-- The days of silver: verify --since and the reconciliation of a day read that day, not all of a tenant's books.

-- The day first, as in transactions_by_event: an index that begins with the tenant would be taken, on a young table, for
-- the look-ups of the foreign keys.
CREATE INDEX transactions_by_day ON silver.transactions (books_date, tenant_id);
