-- What the rounding of cash adds to returns is bounded for all returns of a sale together, so it is counted beside what they
-- were paid, and no longer left out of it. Lines of nothing round nothing: what counts is what took an amount of a line.

ALTER TABLE silver.heads ADD COLUMN returned_rounding numeric NOT NULL DEFAULT 0;
COMMENT ON COLUMN silver.heads.returned_total IS 'What its returns were paid in all.';
COMMENT ON COLUMN silver.heads.returned_rounding IS 'What of it rounding added.';
COMMENT ON COLUMN silver.heads.returned_parts IS 'How many times a line of these returns took an amount of a line: the shares of tax and discount may round by one minor unit each.';

-- What is of reversals is negative, so that the sum is of what stands.
UPDATE silver.heads h
SET returned_total = p.total, returned_rounding = p.rounding, returned_parts = p.parts
FROM (
  SELECT t.tenant_id, o.transaction_id, sum(t.total) AS total, sum(t.rounding) AS rounding, sum(o.parts) AS parts
  FROM (
    SELECT tenant_id, transaction_id AS of_return, revision, kind, original_transaction_id AS transaction_id,
           sum(sign(amount)) AS parts
    FROM silver.references
    GROUP BY tenant_id, transaction_id, revision, kind, original_transaction_id) AS o
  JOIN silver.transactions t
    ON t.tenant_id = o.tenant_id AND t.transaction_id = o.of_return AND t.revision = o.revision AND t.kind = o.kind
  GROUP BY t.tenant_id, o.transaction_id) AS p
WHERE p.tenant_id = h.tenant_id AND p.transaction_id = h.transaction_id
  AND (h.returned_total, h.returned_rounding, h.returned_parts) <> (p.total, p.rounding, p.parts);
