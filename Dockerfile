# The controller without root, on any base that has Python 3.11 or later.
#
#   docker build --tag skyctl .
#   docker build --tag skyctl --build-arg BASE=my/debian-with-python .
#
# BASE needs python3 with venv (on Debian: python3-venv). Everything installed is pinned and hashed.
# Without a network: put the wheels into build/wheels first,
#   pip download --require-hashes -r requirements.txt -r requirements-build.txt --dest build/wheels
# How to run it: docs/how-to/production.md
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY . .
RUN python3 -m venv /tools \
 && python3 -m venv --without-pip /opt/skyctl \
 && export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 \
 && if [ -d build/wheels ]; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=/src/build/wheels; fi \
 && /tools/bin/pip --python /opt/skyctl/bin/python install --require-hashes -r requirements.txt \
 && /tools/bin/pip install --require-hashes -r requirements-build.txt \
 && /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && /tools/bin/pip --python /opt/skyctl/bin/python install --no-deps --no-index /wheel/*.whl

FROM ${BASE}
COPY --from=build /opt/skyctl /opt/skyctl
RUN echo 'skyctl:x:10001:' >> /etc/group \
 && echo 'skyctl:x:10001:10001:SkyPanel controller:/var/lib/skyctl:/bin/false' >> /etc/passwd \
 && mkdir -m 0700 /var/lib/skyctl \
 && chown 10001:10001 /var/lib/skyctl
ENV PATH=/opt/skyctl/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 \
    SKYCTL_STATE_DIR=/var/lib/skyctl
USER 10001:10001
WORKDIR /var/lib/skyctl
VOLUME /var/lib/skyctl
ENTRYPOINT ["skyctl"]
CMD ["run"]
