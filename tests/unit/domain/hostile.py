"""Values that try to leave a route: where they stand, and what becomes of them."""

from __future__ import annotations

from typing import Any

BASE: dict[str, Any] = {"hostname": "shop.example.com", "service": "web"}


def at(pointer: str, value: Any) -> dict[str, Any]:
    """The spec with that value at that place."""
    spec: dict[str, Any] = {**BASE}
    place = spec
    *way, last = pointer.split("/")[1:]
    for part in way:
        place = place.setdefault(part, {})
    place[last] = value
    return spec


H, P, M = "/hostname", "/pathPrefix", "/middlewares"
TO = f"{M}/redirect/to"
REFUSED: list[tuple[str, Any, str]] = [
    (H, "", "must not be empty"),
    (H, "a.b`) || Host(`evil.com", "must be a hostname alone"),
    (H, "a.example.com`", "not '`'"),
    (H, 'a".example.com', "not '\"'"),
    (H, "a.example.com\nb: c", "must be a hostname alone"),
    (H, "{sub:.*}.example.com", "must be a hostname alone"),
    (H, "a{b}.example.com", "not '{', '}'"),
    (H, "^.*$", "at its beginning"),
    (H, "*", "at its beginning"),
    (H, "*.*.example.com", "at its beginning"),
    (H, "a.*.example.com", "at its beginning"),
    (H, "*.com", "at least two parts"),
    (H, "localhost", "at least two parts"),
    (H, "192.0.2.1", "not an IP address"),
    (H, "[2001:db8::1]", "not an IP address"),
    (H, "2001:db8::1", "not an IP address"),
    (H, "0x7f.1", "end in a number"),
    (H, "a..example.com", "empty part"),
    (H, ".example.com", "empty part"),
    (H, "-a.example.com", "begins or ends with '-'"),
    (H, "a_b.example.com", "not '_'"),
    (H, "x" * 64 + ".example.com", "a part of 64 characters"),
    (H, ".".join(["abcdefgh"] * 28), "at most 236"),
    (H, "x" * 5000, "longer than"),
    (H, "xn--\u00e9.example.com", "not a name that DNS can hold"),
    (H, "xn--zzzzzzzz99999999.example.com", "no encoded name"),
    (H, "ab--cd.example.com", "no encoded name"),
    (H, "a\u202eb.example.com", "not a name that DNS can hold"),
    (H, "https://shop.example.com/x", "did you mean shop.example.com?"),
    (H, "shop.example.com:8443", "did you mean shop.example.com?"),
    (H, "shop.example.com/", "did you mean shop.example.com?"),
    (H, "a b.example.com", "must be a hostname alone"),
    (H, 42, "expected text"),
    (P, "api", "did you mean /api?"),
    (P, "/a`) || PathPrefix(`/", "literal, no pattern"),
    (P, "/a'b", "literal, no pattern"),
    (P, '/a"b', "literal, no pattern"),
    (P, "/{id:[0-9]+}", "literal, no pattern"),
    (P, "/a.*[x]", "literal, no pattern"),
    (P, "/../admin", "'.' or '..'"),
    (P, "/a/./b", "'.' or '..'"),
    (P, "/%2e%2e/admin", "percent-encodings"),
    (P, "/a\nb", "literal, no pattern"),
    (P, "/a\n", "literal, no pattern"),
    (P, "/a\\b", "literal, no pattern"),
    (P, "/a?b=c", "literal, no pattern"),
    (P, "/a#b", "literal, no pattern"),
    (P, "//evil.com", "did you mean /evil.com?"),
    (P, "/\u00fc", "literal, no pattern"),
    (P, "/" + "a" * 2000, "longer than"),
    (f"{M}/headers/request", {"X Bad": "1"}, "does not have the form"),
    (f"{M}/headers/request", {"X-A\r\nX-B": "1"}, "does not have the form"),
    (f"{M}/headers/request", {"X-A": "1\r\nX-B: 2"}, "does not have the form"),
    (f"{M}/headers/response", {"X-A": "\u00fc"}, "does not have the form"),
    (f"{M}/headers/response", {"Transfer-Encoding": "chunked"}, "the connection itself"),
    (f"{M}/headers/request", {"HOST": "evil.com"}, "the connection itself"),
    (f"{M}/headers/request", {"X-A": "1", "x-a": "2"}, "the same header"),
    (f"{M}/headers/request", {"X-A": "a" * 5000}, "longer than"),
    (TO, "javascript:alert(1)", "begins with http"),
    (TO, "//evil.com", "begins with http"),
    (TO, "example.com", "did you mean https://example.com?"),
    (TO, "https://", "does not have the form|may not have|names no host"),
    (TO, "https:///x", "names no host"),
    (TO, "https://u:p@example.com", "user name"),
    (TO, "https://a.com/{{.Request}}", "may not have as they are"),
    (TO, "https://a.com/`", "may not have as they are"),
    (TO, "https://a.com/\nx", "may not have as they are"),
    (TO, "https://a.com/%zz", "begins no percent-encoding"),
    (TO, "https://a.com:x/", "is not a URL"),
    (TO, "https://shop.example.com", "for ever"),
    (f"{M}/ipAllowList", ["10.0.0.1/8"], "did you mean 10.0.0.0/8?"),
    (f"{M}/ipAllowList", ["fe80::1%eth0"], "did you mean fe80::1/128?"),
    (f"{M}/ipAllowList", ["0.0.0.0/0; drop"], "not an address or network"),
    (f"{M}/ipAllowList", [], "at least 1 item"),
    (f"{M}/ipAllowList", "10.0.0.0/8", "a list"),
    (f"{M}/rateLimit", {"average": 0}, "at least 1"),
    (f"{M}/rateLimit", {"average": 1, "burst": -1}, "at least 1"),
    (f"{M}/rateLimit", {"average": 10**12}, "at most 1000000"),
    (f"{M}/basicAuth", {"users": ["a:b"]}, "unknown field"),
    (f"{M}/basicAuth", {"secret": "../x"}, "may have lower case"),
    (f"{M}/compress", "yes", "true or false"),
    ("/tls/issuer", "selfsigned", "must be one of letsencrypt, custom"),
    ("/tls/issuer", "custom", "is required with issuer custom"),
    ("/tls/secret", "mine", "belongs to issuer custom"),
    ("/stripPrefix", True, "needs a pathPrefix"),
    ("/port", 0, "at least 1"),
    ("/port", "80", "did you mean 80 without quotes?"),
    ("/service", "web/../db", "may have lower case"),
    ("/hostnames", ["a.example.com"], "did you mean 'hostname'?"),
]
LITERAL: list[tuple[str, Any, str, Any]] = [
    (H, "Shop.EXAMPLE.com.", "hostname", "shop.example.com"),
    (H, "b\u00fccher.example", "hostname", "xn--bcher-kva.example"),
    (H, "\uff53hop.example.com", "hostname", "shop.example.com"),
    (H, "*.B\u00dcCHER.example", "hostname", "*.xn--bcher-kva.example"),
    (H, "xn--bcher-kva.example", "hostname", "xn--bcher-kva.example"),
    (P, "/", "path", ""),
    (P, "/api/", "path", "/api"),
    (P, "/a$1&(x)=~!,;:@+", "path", "/a$1&(x)=~!,;:@+"),
    (P, "/HostRegexp(x)", "path", "/HostRegexp(x)"),
    (P, "/a...b", "path", "/a...b"),
]
HEADERS = {
    "X-Template": '{{ env "HOME" }} {{{',
    "X-Quote": "\"'`\\ #: - [a] {b} & * !tag %",
    "X-Empty": "",
    "Report-To": '{"group":"a","endpoints":[{"url":"https://r.example"}]}',
    "X-Dollar": "$1 ${x} $$",
    "X-True": "true",
}
TARGETS = ["https://a.com/$1/$2?x=$$&y=%20#z", "http://[2001:db8::1]:8080/x", "HTTPS://A.example"]
