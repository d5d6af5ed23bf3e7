# syntax=docker/dockerfile:1
# docker build -t mundap .          another sheet: --build-arg SHEET=data/faq.csv
# Two stages: everything, torch too, builds the index; what serves has no torch. See docs/deploy.md.

FROM python:3.11-slim AS build
ARG SHEET=data/qa.csv
ARG ENCODER=bilingual
WORKDIR /src
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --index-url https://download.pytorch.org/whl/cpu torch==2.13.0
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip pip install .
RUN indexer build "$SHEET" --out /index --encoder "$ENCODER"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/mundap mundap
RUN --mount=type=bind,from=build,source=/src/docs/serving.txt,target=/tmp/serving.txt \
    pip install --no-cache-dir -r /tmp/serving.txt
RUN --mount=type=bind,from=build,source=/src,target=/src,rw \
    pip install --no-cache-dir --no-deps /src
# SQLite writes beside a database even to read it: the index belongs to who serves.
COPY --from=build --chown=mundap:mundap /index /srv/mundap/index
RUN chown mundap:mundap /srv/mundap
ENV PYTHONUNBUFFERED=1 \
    MUNDAP_INDEX=/srv/mundap/index \
    MUNDAP_JOURNAL=/var/lib/mundap/journal.db \
    MUNDAP_SLACK_INBOX=/var/lib/mundap/slack.db \
    MUNDAP_HOST=0.0.0.0 \
    MUNDAP_LOG=json
USER mundap
WORKDIR /var/lib/mundap
VOLUME /var/lib/mundap
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/api/ready', timeout=4)"]
CMD ["web", "serve"]
