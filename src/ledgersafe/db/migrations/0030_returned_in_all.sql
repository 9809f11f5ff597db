-- Of every sale it is known what its returns were paid in all: a discount of the whole receipt, tax and rounding stand on no
-- line, and what is counted by line alone lets more money go back than was paid.

ALTER TABLE silver.heads
  ADD COLUMN returned_total numeric NOT NULL DEFAULT 0,
  ADD COLUMN returned_parts integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN silver.heads.returned_total IS 'What its returns were paid in all, without what the rounding of cash added to them.';
COMMENT ON COLUMN silver.heads.returned_parts IS 'How many lines these returns have: the shares of tax and discount may round by one minor unit each.';

-- Totals of reversals are negative, so that the sum is of what stands.
UPDATE silver.heads h
SET returned_total = p.total, returned_parts = p.parts
FROM (
  SELECT t.tenant_id, o.transaction_id,
         sum(CASE t.kind WHEN 'posting' THEN t.total - greatest(0, least(t.rounding, t.gross, t.total))
             ELSE t.total + greatest(0, least(-t.rounding, -t.gross, -t.total)) END) AS total,
         sum(CASE t.kind WHEN 'posting' THEN t.lines ELSE -t.lines END) AS parts
  FROM (
    SELECT DISTINCT tenant_id, transaction_id AS of_return, revision, kind, original_transaction_id AS transaction_id
    FROM silver.references) AS o
  JOIN silver.transactions t
    ON t.tenant_id = o.tenant_id AND t.transaction_id = o.of_return AND t.revision = o.revision AND t.kind = o.kind
  GROUP BY t.tenant_id, o.transaction_id) AS p
WHERE p.tenant_id = h.tenant_id AND p.transaction_id = h.transaction_id AND (p.total <> 0 OR p.parts <> 0);
