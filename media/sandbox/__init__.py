"""An R2 of our own for machines without R2 keys: S3's HTTP API over a folder on disk, as strict as the real one.

Never imported by media itself; `settings.R2_SANDBOX_TRANSPORT` names what `media/storage` sends its requests to, and
`/sandbox/r2` is where browsers and outside programs find it.
"""
