"""What an image holds, and what is known to be weak in it, computed without any of Countersign's code.

  independent.py inventory                          in the image: what its own tools and files say (standard library only)
  independent.py findings INVENTORY PYPA TRACKER    rows [kind, name, version, id, fixed version], from the same advisories
  independent.py validate DOCUMENT SCHEMAS          a CycloneDX 1.6 document against its schema

Version orders are those of `packaging` and of `dpkg --compare-versions`; it shares no decision with the product but the rules
that are documented: alias groups, the group's name, and what counts as the fixed version.
"""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys


def installed_debian():
    """Installed packages with their sources, as dpkg-query tells them."""
    form = "${db:Status-Abbrev}\t${binary:Package}\t${Version}\t${source:Package}\t${source:Version}\n"
    said = subprocess.run(["dpkg-query", "-W", "-f", form], check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in said.splitlines()]
    return [
        {"name": name.split(":")[0], "version": version, "source": source, "source_version": source_version}
        for status, name, version, source, source_version in rows
        if status[1] == "i"
    ]


def owned_paths():
    """Every path that a Debian package brought."""
    paths = set()
    for listing in pathlib.Path("/var/lib/dpkg/info").glob("*.list"):
        paths.update(listing.read_text().splitlines())
    return paths


def metadata_files():
    """Every file that describes an installed Python distribution."""
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/dev")]
        if folder.endswith(".dist-info") and "METADATA" in files:
            yield os.path.join(folder, "METADATA")
        if folder.endswith(".egg-info") and "PKG-INFO" in files:
            yield os.path.join(folder, "PKG-INFO")
        for name in files:
            if name.endswith(".egg-info"):
                yield os.path.join(folder, name)


def inventory():
    import email

    owned = owned_paths()
    python = []
    for path in metadata_files():
        with open(path, encoding="utf-8", errors="replace") as file:
            headers = email.message_from_file(file)
        python.append({"name": headers["Name"], "version": headers["Version"], "path": path, "owned": path in owned})
    print(json.dumps({"debian": installed_debian(), "python": python}))


def advisories_of_python(folder):
    """OSV records that were not withdrawn, as dictionaries."""
    import yaml

    for path in sorted(pathlib.Path(folder).rglob("*.yaml")):
        record = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if "affected" in record and not record.get("withdrawn"):
            yield record


def groups(identities):
    """Ids that stand for the same weakness: from every id to the name of its group."""
    parent = {}

    def find(name):
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for ids in identities:
        for other in ids[1:]:
            parent[find(other)] = find(ids[0])
        find(ids[0])
    members = {}
    for name in list(parent):
        members.setdefault(find(name), []).append(name)

    def rank(name):
        return (0 if name.startswith("CVE-") else 1 if name.startswith("GHSA-") else 2, name)

    return {name: min(of_group, key=rank) for of_group in members.values() for name in of_group}


@functools.cache
def debian_is_below(left, right):
    return subprocess.run(["dpkg", "--compare-versions", left, "lt", right]).returncode == 0


class Python:
    """One record's entry about a Python project."""

    def __init__(self, entry):
        from packaging.version import InvalidVersion, Version

        def parsed(text):
            try:
                return Version(text)
            except InvalidVersion:
                return None

        self.versions = {parsed(str(text)) for text in entry.get("versions") or []} - {None}
        self.ranges = []
        for span in entry.get("ranges") or []:
            if span["type"] not in ("ECOSYSTEM", "SEMVER"):
                continue
            events = [(kind, str(text)) for event in span["events"] for kind, text in event.items()]
            # OSV schema, "Evaluation": in the order of versions; "0" comes before all.
            lowest = Version("0.dev0")
            timed = [(lowest if text == "0" else parsed(text), kind, text) for kind, text in events]
            self.ranges.append(sorted((event for event in timed if event[0] is not None), key=lambda event: event[0]))

    def hits(self, version):
        if version in self.versions:
            return True
        for events in self.ranges:
            is_hit = False
            for at, kind, _ in events:
                if kind == "introduced" and at <= version:
                    is_hit = True
                elif kind == "fixed" and at <= version:
                    is_hit = False
                elif kind == "last_affected" and at < version:
                    is_hit = False
            if is_hit:
                return True
        return False

    def fixes(self):
        return [(at, text) for events in self.ranges for at, kind, text in events if kind == "fixed"]


def fixed_version(entries, version):
    """The smallest version above which no record of the group hits any more, or else the smallest that one calls fixed."""
    above = sorted((at, text) for entry in entries for at, text in entry.fixes() if at > version)
    clean = [text for at, text in above if not any(entry.hits(at) for entry in entries)]
    return clean[0] if clean else above[0][1] if above else ""


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def findings_of_python(components, records, group_of):
    from packaging.version import Version

    by_name = {}
    for record in records:
        for entry in record["affected"]:
            if "package" in entry and entry["package"]["ecosystem"] == "PyPI":
                key = (normal(entry["package"]["name"]), group_of[record["id"]])
                by_name.setdefault(key[0], {}).setdefault(key[1], []).append(Python(entry))
    for component in components:
        if component["owned"]:
            continue
        name, version = normal(component["name"]), Version(component["version"])
        for group, entries in by_name.get(name, {}).items():
            if any(entry.hits(version) for entry in entries):
                yield ["pypi", name, component["version"], group, fixed_version(entries, version)]


def findings_of_debian(components, tracker, group_of):
    for component in components:
        for cve, issue in tracker.get(component["source"], {}).items():
            release = issue["releases"].get("bookworm")
            if release is None or release["status"] == "undetermined":
                continue
            fixed = release.get("fixed_version") or ""
            if release["status"] == "resolved" and fixed == "0":
                continue
            if fixed and fixed != "0" and not debian_is_below(component["source_version"], fixed):
                continue
            shown = fixed if release["status"] == "resolved" else ""
            yield ["deb", component["name"], component["version"], group_of[cve], shown]


def findings(inventory_file, pypa, tracker_file):
    held = json.loads(pathlib.Path(inventory_file).read_text())
    records = list(advisories_of_python(pypa))
    tracker = json.loads(pathlib.Path(tracker_file).read_text())
    identities = [[record["id"], *(record.get("aliases") or [])] for record in records]
    identities += [[cve] for issues in tracker.values() for cve in issues]
    group_of = groups(identities)
    rows = list(findings_of_python(held["python"], records, group_of))
    rows += findings_of_debian(held["debian"], tracker, group_of)
    print(json.dumps(sorted(rows)))


def validate(document, schemas):
    from jsonschema import Draft7Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT7

    def schema(name):
        return json.loads((pathlib.Path(schemas) / name).read_text())

    others = ["spdx.schema.json", "jsf-0.82.schema.json"]
    resources = [(f"http://cyclonedx.org/schema/{name}", Resource.from_contents(schema(name), DRAFT7)) for name in others]
    validator = Draft7Validator(schema("bom-1.6.schema.json"), registry=Registry().with_resources(resources))
    errors = [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(json.loads(pathlib.Path(document).read_text()))]
    if errors:
        sys.exit("\n".join(errors[:20]))


if __name__ == "__main__":
    {"inventory": inventory, "findings": findings, "validate": validate}[sys.argv[1]](*sys.argv[2:])
