"""What the description says in words only: JSON Schema counts characters, these bounds are of bytes of UTF-8."""

import schemathesis

BYTES_MAX = {"username": 128, "token": 4096}


def fits(fields):
    if not isinstance(fields, dict):
        return True
    texts = ((fields.get(name), most) for name, most in BYTES_MAX.items())
    return all(len(text.encode("utf-8", "surrogatepass")) <= most for text, most in texts if isinstance(text, str))


@schemathesis.hook
def filter_query(context, query):
    return fits(query)


@schemathesis.hook
def filter_body(context, body):
    return fits(body)
