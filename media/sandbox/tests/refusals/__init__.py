"""What the stand-in refuses, over HTTP, as S3 does; with `-m r2_live` R2 itself is asked the same."""
