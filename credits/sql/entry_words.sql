-- The words of a text, each behind the account's id: so that an index of words never leads into another account.
CREATE OR REPLACE FUNCTION credits_entry_words(p_account uuid, p_text text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(p_account::text || ' ' || word), '{}') FROM unnest(tsvector_to_array(to_tsvector('simple'::regconfig, p_text))) word
$$;
