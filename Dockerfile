# One image for web, worker and migrations; compose.yaml says which command is which. Built from exact pins alone, every
# package held to its hashes; to pin the base as well, give its digest: --build-arg PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /srv/smartspec
COPY requirements.lock .
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
COPY . .
# The settings want to be whole; nothing of this is kept in the image.
RUN SMARTSPEC_ENVIRONMENT=production SMARTSPEC_SECRET_KEY=build SMARTSPEC_ADDRESS_HASH_KEY=build \
    DATABASE_URL=postgres://build@localhost/build EMAIL_URL=smtp://localhost:25 \
    .venv/bin/python manage.py collectstatic --noinput

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --no-create-home smartspec && install -d -o smartspec /data
WORKDIR /srv/smartspec
COPY --from=build /srv/smartspec /srv/smartspec
ENV PATH=/srv/smartspec/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SMARTSPEC_ENVIRONMENT=production \
    SMARTSPEC_DATA_DIR=/data \
    PORT=8000
USER smartspec
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-m", "smartspec.alive"]
# One process with threads; more of them are more containers, so that /metrics of each tells of itself.
CMD ["gunicorn", "smartspec.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "smartspec.server.PromptWorker", \
     "--threads", "16", "--timeout", "30", "--worker-tmp-dir", "/dev/shm", "--graceful-timeout", "20", "--no-control-socket"]
