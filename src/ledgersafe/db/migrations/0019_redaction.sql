-- A body is made unreadable by one fixed text, and only once the audit log says who did it: the functions that may write
-- over what arrived leave nothing to whoever calls them.

DROP FUNCTION bronze.redact_body(text, uuid, bytea), bronze.redact_rejected_body(text, uuid, bytea);

CREATE FUNCTION bronze.redaction() RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT convert_to('{"redacted":true}', 'UTF8') $$;

CREATE FUNCTION bronze.redact_body(of_tenant text, of_raw_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  changed boolean;
BEGIN
  IF NOT EXISTS (
    SELECT FROM audit.audit_log a
    WHERE a.tenant_id = of_tenant AND a.object_type = 'arrival' AND a.object_id = of_raw_id::text
      AND a.action = 'arrival.redacted') THEN
    RAISE EXCEPTION 'the audit log does not say who redacts arrival %', of_raw_id USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE bronze.events_raw SET body = bronze.redaction(), ce_headers = NULL
  WHERE tenant_id = of_tenant AND raw_id = of_raw_id AND body <> bronze.redaction();
  changed := FOUND;
  UPDATE quarantine.exceptions SET override_patch = NULL
  WHERE tenant_id = of_tenant AND canonical_raw_id = of_raw_id AND override_patch IS NOT NULL;
  RETURN changed;
END
$$;

CREATE FUNCTION bronze.redact_rejected_body(of_tenant text, of_rejected_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM audit.audit_log a
    WHERE a.tenant_id = of_tenant AND a.object_type = 'rejected' AND a.object_id = of_rejected_id::text
      AND a.action = 'rejected.redacted') THEN
    RAISE EXCEPTION 'the audit log does not say who redacts the rejected body %', of_rejected_id
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE bronze.rejected SET body = bronze.redaction()
  WHERE tenant_id = of_tenant AND rejected_id = of_rejected_id AND body <> bronze.redaction();
  RETURN FOUND;
END
$$;

REVOKE ALL ON FUNCTION bronze.redact_body(text, uuid), bronze.redact_rejected_body(text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bronze.redact_body(text, uuid), bronze.redact_rejected_body(text, uuid) TO ledgersafe_app;
