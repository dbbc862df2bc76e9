-- 008_checksum.sql: the pages of the file carry checksums (page_check.h).  No table changes: the number alone rises, so
-- that a broker of a former version, which would write pages without them, refuses the file.

SELECT 1;
