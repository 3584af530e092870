#!/usr/bin/env python3
"""Reads a galley catalogue without galley: read_catalogue.py URL FINGERPRINT RECIPE [VERSION]

Verifies the chain of signatures from the first root, whose SHA-256 is FINGERPRINT, down
to the files of one version, and prints its images. Needs openssl 3 for ed25519."""
import base64, datetime, hashlib, json, subprocess, sys, tempfile, urllib.error, urllib.request

base, fingerprint, recipe = sys.argv[1].rstrip("/"), sys.argv[2], sys.argv[3]
def fetch(name, limit=64 << 20):
    with urllib.request.urlopen(f"{base}/{name}", timeout=30) as answer:
        data = answer.read(limit + 1)
    return data if len(data) <= limit else sys.exit(f"{name} is too large")

def named(name, digest):  # a file whose hash is known from elsewhere
    data = fetch(name)
    return data if hashlib.sha256(data).hexdigest() == digest else sys.exit(f"{name}: wrong hash")

def right(key, signature, message):
    der = bytes.fromhex("302a300506032b6570032100" + key["keyval"]["public"])  # RFC 8410
    with tempfile.NamedTemporaryFile() as k, tempfile.NamedTemporaryFile() as s, tempfile.NamedTemporaryFile() as m:
        k.write(b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der) + b"\n-----END PUBLIC KEY-----\n")
        s.write(bytes.fromhex(signature)), m.write(message), [f.flush() for f in (k, s, m)]
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", k.name, "-rawin", "-sigfile", s.name, "-in", m.name]
        return subprocess.run(command, capture_output=True).returncode == 0

def signed(name, data, keys, role):  # the document, once enough of the role's keys signed it
    document = json.loads(data)
    message = json.dumps(document["signed"], sort_keys=True, separators=(",", ":")).encode()
    good = {s["keyid"] for s in document["signatures"] if s["keyid"] in role["keyids"] and right(keys[s["keyid"]], s["sig"], message)}
    return document["signed"] if len(good) >= role["threshold"] else sys.exit(f"{name}: not signed")
def current(name, document):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return document if document["expires"] > now else sys.exit(f"{name} expired {document['expires']}")

def metadata(role, said, keys, signers):  # what another document says of it: a version, and mostly a hash
    name = f"metadata/{said['version']}.{role}.json"
    data = named(name, said["hashes"]["sha256"]) if "hashes" in said else fetch(name)
    document = current(name, signed(name, data, keys, signers))
    return document if document["version"] == said["version"] else sys.exit(f"{name}: another version")

data = named("metadata/1.root.json", fingerprint)
root = signed("root", data, json.loads(data)["signed"]["keys"], json.loads(data)["signed"]["roles"]["root"])
try:
    while data := fetch(f"metadata/{root['version'] + 1}.root.json"):
        following = signed("root", data, root["keys"], root["roles"]["root"])  # by the old keys, and by its own
        root = signed("root", data, following["keys"], following["roles"]["root"])
except urllib.error.HTTPError:
    current("root", root)  # there is no newer one
timestamp = current("timestamp", signed("timestamp", fetch("metadata/timestamp.json"), root["keys"], root["roles"]["timestamp"]))
snapshot = metadata("snapshot", timestamp["meta"]["snapshot.json"], root["keys"], root["roles"]["snapshot"])
targets = metadata("targets", snapshot["meta"]["targets.json"], root["keys"], root["roles"]["targets"])
path, bins = f"v1/recipes/{recipe}.json", targets["delegations"]["succinct_roles"]
number = int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big") >> (32 - bins["bit_length"])
role = bins["name_prefix"] + "-" + format(number, "x").zfill(len(format(2 ** bins["bit_length"] - 1, "x")))
target = metadata(role, snapshot["meta"][role + ".json"], targets["delegations"]["keys"], bins)["targets"][path]
head = json.loads(named(f"v1/recipes/{target['hashes']['sha256']}.{recipe}.json", target["hashes"]["sha256"]))
wanted = [r for r in head["versions"] if (r["version"] == sys.argv[4] if len(sys.argv) > 4 else "withdrawn" not in r)][-1]
entry = json.loads(named(f"v1/entries/{wanted['entry']}.json", wanted["entry"]))
named(f"v1/bundles/{entry['bundle']['sha256']}.tar", entry["bundle"]["sha256"])
print(recipe, entry["version"], *(f"{image['reference']}@{image['digest']}" for image in entry["images"]), sep="\n")
