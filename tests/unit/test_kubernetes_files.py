"""The Kubernetes files: they build, are valid, and every name in them is real.

Built-in kinds are judged by the API's own schemas (kubernetes-validate, strict). KEDA's
kinds are not among them: of those, the fields and names that are used are checked here.
"""

import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from app import settings
from app.cli import cli
from app.topology import Topology
from deploy.local import lock
from deploy.privileges.table import privileges
from tests.composed import composed
from tests.declared import metrics_asked_for, metrics_declared
from tests.kustomized import FOLDER, TEMPLATED, built

ROOT = Path(__file__).parents[2]
OVERLAYS = ["small", "production"]
VERSIONS = ["1.31", "1.37"]
KEDA = "keda.sh/v1alpha1"
DEFAULTS = settings.load({})
PORTS = {
    "bridge": DEFAULTS.bridge.port,
    "worker": DEFAULTS.worker.port,
    "archive": DEFAULTS.archive.web_port,
    "exporter": DEFAULTS.exporter.port,
    "simulator": 6095,
}
NAME = "app.kubernetes.io/name"
MOUNT = "/run/secrets/smartmeter"
WEB = "/run/secrets/web"
TLS_FILES = ("CA_FILE", "CERTIFICATE_FILE")
COMPOSE = composed("compose.yaml")
MAPS = (
    "settings",
    "nats",
    "prometheus-rules",
    "prometheus",
    "grafana-datasources",
    "grafana-providers",
    "grafana-dashboards",
)


@pytest.fixture(params=OVERLAYS)
def objects(request):
    return built(FOLDER / "overlays" / request.param)


def of(objects, *kinds):
    return [each for each in objects if each["kind"] in kinds]


def ours(objects):
    """Return the pods of this project, as (name, pod, container)."""
    return [
        (each["metadata"]["name"], spec, container)
        for each in of(objects, *TEMPLATED)
        for spec in [each["spec"]["template"]["spec"]]
        for container in spec["containers"]
        if container["image"].startswith("smartmeter-streams")
    ]


def environ_of(objects, container, tmp_path):
    """Return the settings of a container, its files and references filled in."""
    maps = {e["metadata"]["name"]: e["data"] for e in of(objects, "ConfigMap")}
    environ = {}
    for source in container["envFrom"]:
        environ |= maps[source["configMapRef"]["name"]]
    known = {}
    for each in container.get("env", []):
        value = each.get("value", "name-1")
        environ[each["name"]] = re.sub(r"\$\((\w+)\)", lambda m: known[m[1]], value)
        known[each["name"]] = environ[each["name"]]
    for name in [name for name in environ if name.endswith("_FILE")]:
        assert environ[name].startswith((MOUNT + "/", WEB + "/"))
        path = tmp_path / name
        path.write_text(f"{name.lower()}-of-some-length")
        if name.endswith(TLS_FILES):
            del environ[name]  # certificates, which a word is not
            continue
        environ[name] = str(path)
    return {k: v for k, v in environ.items() if k.startswith(settings.PREFIX)}


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_are_valid_by_the_schemas_of_the_api(objects, version):
    for each in objects:
        if each["apiVersion"] != KEDA:
            kubernetes_validate.validate(each, version, strict=True)


def test_kustomize_itself_builds_the_same():
    """Where kubectl is, it is asked too; its hashes are taken off the names."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is no part of the project's packages")
    for overlay in OVERLAYS:
        folder = FOLDER / "overlays" / overlay
        done = subprocess.run(
            ["kubectl", "kustomize", folder], capture_output=True, text=True, check=True
        )
        text = re.sub(rf"\b({'|'.join(MAPS)})-[0-9a-z]{{10}}\b", r"\1", done.stdout)
        theirs = {key(each): each for each in yaml.safe_load_all(text)}
        mine = {key(each): each for each in built(folder)}
        assert theirs == mine


def key(each):
    return each["kind"], each["metadata"]["name"]


def test_names_are_given_once(objects):
    names = [key(each) for each in objects]
    assert sorted(set(names)) == sorted(names)


def test_settings_are_those_of_the_product(objects, tmp_path):
    for _, _, container in ours(objects):
        settings.load(environ_of(objects, container, tmp_path))


def test_production_keeps_everything_thrice(tmp_path):
    objects = built(FOLDER / "overlays" / "production")
    for _, _, container in ours(objects):
        loaded = settings.load(environ_of(objects, container, tmp_path))
        assert (3, 3) == (loaded.nats.replicas, loaded.kafka.replication_factor)
        assert "LOCAL_QUORUM" == loaded.archive.consistency


def test_commands_are_those_of_the_command_line(objects):
    for _, _, container in ours(objects):
        group, line = cli, [word.replace("$(SLOT)", "2") for word in container["args"]]
        while hasattr(group, "get_command"):
            context = group.make_context(
                line[0], [], resilient_parsing=True, allow_extra_args=True
            )
            group = group.get_command(context, line[0])
            assert group, line
            line = line[1:]
        group.make_context(group.name, line)


def test_images_are_pinned_to_the_versions_that_are_tested(objects):
    for each in of(objects, *TEMPLATED):
        for container in each["spec"]["template"]["spec"]["containers"]:
            image, _, tag = container["image"].partition(":")
            assert re.match(r"v?\d+\.\d+\.\d+", tag), container["image"]
            if image in {"apache/kafka", "cassandra"}:
                root = lock.ROOTS[image.rpartition("/")[2]][0]
                assert root.rsplit(":", 1)[1] == tag
            elif image == "smartmeter-streams":
                assert f'version = "{tag}"' in (ROOT / "pyproject.toml").read_text()
            elif image in {"prom/prometheus", "grafana/grafana"}:
                service = COMPOSE["services"][image.rpartition("/")[2]]
                assert service["image"] == container["image"]
            else:
                assert f"FROM {image}:{tag} " in (ROOT / "Dockerfile").read_text()


def test_processes_are_asked_on_their_own_port_whether_they_live_and_are_ready(objects):
    for name, _, container in ours(objects):
        if name in {"topics", "schema"}:
            continue
        (port,) = container["ports"]
        assert (PORTS[name], "web") == (port["containerPort"], port["name"])
        asked = {
            probe: container[probe]["httpGet"]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert {"/live", "/ready"} == {each["path"] for each in asked.values()}
        assert "/ready" == asked["readinessProbe"]["path"]
        assert {"web"} == {each["port"] for each in asked.values()}


def test_services_lead_to_pods_and_prometheus_finds_them(objects):
    pods = {
        each["spec"]["template"]["metadata"]["labels"][NAME]
        for each in of(objects, *TEMPLATED)
    }
    services = {
        each["metadata"]["name"]: each["spec"] for each in of(objects, "Service")
    }
    assert {spec["selector"][NAME] for spec in services.values()} <= pods
    for each in of(objects, "StatefulSet"):
        assert "None" == services[each["spec"]["serviceName"]]["clusterIP"]
    path = ROOT / "deploy" / "prometheus" / "prometheus-dns.yml"
    for job in yaml.safe_load(path.read_text())["scrape_configs"]:
        (found,) = job["dns_sd_configs"]
        (name,) = found["names"]
        if name in services:
            assert found["port"] == services[name]["ports"][0]["port"]
    assert {"bridge", "worker", "archive", "exporter"} <= services.keys()


def test_worker_has_a_name_that_stays_and_leads_to_it(objects, tmp_path):
    (worker,) = [c for name, _, c in ours(objects) if name == "worker"]
    loaded = settings.load(environ_of(objects, worker, tmp_path))
    assert ("name-1", "name-1.worker") == (loaded.worker.identity, loaded.worker.host)
    (bridge,) = [c for name, _, c in ours(objects) if name == "bridge"]
    loaded = settings.load(environ_of(objects, bridge, tmp_path))
    assert "name-1" == loaded.bridge.identity


def test_pods_have_no_more_rights_than_they_need(objects):
    for each in of(objects, *TEMPLATED):
        spec = each["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["runAsUser"] > 0
        assert "RuntimeDefault" == spec["securityContext"]["seccompProfile"]["type"]
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert {"drop": ["ALL"]} == context["capabilities"]
            assert container["resources"]["limits"]["memory"]
            name = container["image"].partition(":")[0]
            if name not in {"apache/kafka", "cassandra"}:
                assert context["readOnlyRootFilesystem"], name
    for _, spec, _ in ours(objects):
        assert {"name": "tmp", "emptyDir": {}} in spec["volumes"]


def test_every_stage_has_a_disruption_budget(objects):
    budgets = {
        each["spec"]["selector"]["matchLabels"][NAME]: each["spec"]["maxUnavailable"]
        for each in of(objects, "PodDisruptionBudget")
    }
    assert {"bridge": 1, "worker": 1, "archive": 1} == budgets


def test_network_lets_each_stage_reach_what_it_needs(objects):
    needs = {
        "bridge": {4222, 9092},
        "worker": {4222, 9092, 9042},
        "archive": {9092, 9042},
        "exporter": {8222, 9092, 9042},
        "setup": {9092, 9042},
    }
    policies = [each["spec"] for each in of(objects, "NetworkPolicy")]
    for stage, ports in needs.items():
        reached = {
            port["port"]
            for policy in policies
            if _selects(policy["podSelector"], stage)
            for rule in policy.get("egress", [])
            for port in rule["ports"]
        }
        assert ports <= reached, stage
        assert 53 in reached
    closed = [p for p in policies if not p.get("ingress") and not p.get("egress")]
    assert [["Ingress", "Egress"]] == [policy["policyTypes"] for policy in closed]


def _selects(selector, stage):
    labels = {NAME: stage, "app.kubernetes.io/part-of": "smartmeter"}
    wanted = selector.get("matchLabels", {})
    among = selector.get("matchExpressions", [])
    return wanted.items() <= labels.items() and all(
        labels[each["key"]] in each["values"] for each in among
    )


def test_scaling_stays_within_the_lanes_and_asks_what_exists():
    objects = built(FOLDER / "overlays" / "production")
    topology = Topology(DEFAULTS)
    sets = {e["metadata"]["name"]: e for e in of(objects, "StatefulSet")}
    scaled = of(objects, "ScaledObject")
    assert {"bridge", "worker", "archive"} == {e["metadata"]["name"] for e in scaled}
    groups = {topology.live_group, topology.archive_group}
    for each in scaled:
        spec = each["spec"]
        assert KEDA == each["apiVersion"]
        assert spec.keys() <= {
            "scaleTargetRef",
            "minReplicaCount",
            "maxReplicaCount",
            "cooldownPeriod",
            "advanced",
            "triggers",
        }
        assert 0 < spec["minReplicaCount"] <= spec["maxReplicaCount"] <= topology.lanes
        # A number in the manifest would undo what KEDA has chosen.
        assert "replicas" not in sets[spec["scaleTargetRef"]["name"]]["spec"]
        (trigger,) = spec["triggers"]
        asked = trigger["metadata"]
        assert all(isinstance(value, str) for value in asked.values())
        if trigger["type"] == "kafka":
            assert topology.readings.name == asked["topic"]
            groups.discard(asked["consumerGroup"])
        else:
            assert metrics_asked_for(asked["query"]) <= metrics_declared()
    assert not groups


def test_each_process_is_the_account_that_may_do_its_work(tmp_path):
    objects = built(FOLDER / "overlays" / "production")
    table = privileges(Topology(DEFAULTS))
    steps = {"topics": "operator", "schema": "operator"}
    for name, spec, container in ours(objects):
        account = steps.get(name, name)
        (volume,) = [v for v in spec["volumes"] if v["name"] == "account"]
        assert f"smartmeter-{account}" == volume["secret"]["secretName"]
        mounts = {m["name"]: m for m in container["volumeMounts"]}
        assert MOUNT == mounts["account"]["mountPath"]
        its = table[account]
        loaded = settings.load(environ_of(objects, container, tmp_path))
        for user, rights in (
            (loaded.nats.user, its.publish or its.subscribe),
            (loaded.kafka.user, its.kafka),
            (loaded.archive.username, its.cassandra),
        ):
            # The steps, which are the operator's, go to one server each.
            assert (account if rights else "") == user or name in steps
        if loaded.nats.user:
            assert f"{loaded.nats.inbox_prefix}.>" in its.subscribe
    assert not of(objects, "Secret")
    (trigger,) = of(objects, "TriggerAuthentication")
    secrets = {each["name"] for each in trigger["spec"]["secretTargetRef"]}
    assert {"smartmeter-exporter"} == secrets


def test_pages_are_encrypted_in_production_and_whoever_asks_knows_it():
    objects = built(FOLDER / "overlays" / "production")
    (web,) = [e for e in of(objects, "Service") if e["metadata"]["name"] == "web"]
    assert 443 == web["spec"]["ports"][0]["port"]
    for each in of(objects, *TEMPLATED):
        for container in each["spec"]["template"]["spec"]["containers"]:
            name = each["metadata"]["name"]
            if name in {"topics", "schema", "prometheus"}:
                continue  # they serve no page of ours
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert "HTTPS" == container[probe]["httpGet"]["scheme"], name
            mounts = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
            assert "web" == mounts[WEB]
    maps = {e["metadata"]["name"]: e["data"] for e in of(objects, "ConfigMap")}
    monitors = maps["settings"]["SMARTMETER_EXPORTER__NATS_MONITORS"].split(",")
    assert {"https"} == {each.partition(":")[0] for each in monitors}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_prometheus_has_every_file_that_its_configuration_names(overlay):
    objects = built(FOLDER / "overlays" / overlay)
    maps = {e["metadata"]["name"]: e["data"] for e in of(objects, "ConfigMap")}
    (pod,) = [
        each["spec"]["template"]["spec"]
        for each in of(objects, "StatefulSet")
        if each["metadata"]["name"] == "prometheus"
    ]
    (container,) = pod["containers"]
    path = container["args"][0].partition("=")[2]
    configuration = maps["prometheus"][path.removeprefix("/etc/prometheus/")]
    volumes = {v["name"]: v for v in pod["volumes"]}
    files = set()
    for mount in container["volumeMounts"]:
        volume = volumes.get(mount["name"], {})
        if "configMap" in volume:
            names = maps[volume["configMap"]["name"]]
        else:
            names = [item["path"] for item in volume.get("secret", {}).get("items", [])]
        files |= {f"{mount['mountPath']}/{name}" for name in names}
    named = {
        file
        for job in yaml.safe_load(configuration)["scrape_configs"]
        for file in (
            job.get("tls_config", {}).get("ca_file"),
            job.get("authorization", {}).get("credentials_file"),
        )
        if file
    }
    assert bool(named) == (overlay == "production")
    assert named <= files
    assert "/etc/prometheus/rules/alerts.yml" in files


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_grafana_has_every_dashboard(overlay):
    objects = built(FOLDER / "overlays" / overlay)
    maps = {e["metadata"]["name"]: e["data"] for e in of(objects, "ConfigMap")}
    written = {p.name for p in (ROOT / "deploy/grafana/dashboards").glob("*.json")}
    assert written == maps["grafana-dashboards"].keys()
    rules = {p.name for p in (ROOT / "deploy/prometheus/rules").glob("*.yml")}
    assert rules == maps["prometheus-rules"].keys()
    for data in maps.values():  # what `kubectl apply` keeps of each in an annotation
        assert sum(map(len, data.values())) < 262_144
