# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock ./
# Everything is fetched by hash here; what follows installs from these files only, and takes what it needs to run.
RUN python -m pip download --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock --dest /wheels
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/ledgersafe \
 && /opt/ledgersafe/bin/pip install --quiet --disable-pip-version-check --no-index --find-links /wheels '.[console,files]'

FROM python:3.12-slim
RUN useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app
COPY --from=build /opt/ledgersafe /opt/ledgersafe
# Received files and the key of seals: mount a volume here, the same one for the API and the worker.
RUN install --directory --owner=app --group=app /data
ENV PATH=/opt/ledgersafe/bin:$PATH PYTHONUNBUFFERED=1 LEDGERSAFE_DATA=/data
USER app
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
CMD ["ledgersafe", "serve", "--host", "0.0.0.0", "--port", "8000"]
