"""A real SLURM cluster of one node, started and stopped by a test; nothing is installed.

Debian's packages slurm-wlm and munge bring what it needs. Everything lies in one folder: one configuration file,
which SLURM_CONF names, the key of a munge daemon of its own, logs and state.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

_CONF = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
JobRequeue=1
KillWait=20
MinJobAge=10
ReturnToService=2
SchedulerParameters=sched_interval=2,bf_interval=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """Return why no cluster can be started here; None if one can."""
    for program, package in (("munged", "munge"), ("slurmctld", "slurm-wlm"), ("slurmd", "slurm-wlm")):
        if not _find(program):
            return f"{program} is missing; Debian has it in {package}"
    if os.geteuid() != 0:
        return "SLURM's daemons are started as root here"
    try:
        import submitit  # noqa: F401
    except ImportError:
        return "submitit is missing: pip install 'lenssr[slurm]'"
    return None


def _find(program):
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """One node, until it is stopped.

    Args:
        folder: for all its files; short, since the socket's path must be.
        cpus: slots.
    """

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder, self.daemons = folder, []
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool", "munge"):
            (folder / name).mkdir(parents=True, mode=0o755)
        folder.chmod(0o755)
        conf = folder / "slurm.conf"
        conf.write_text(_CONF.format(host=host, folder=folder, cpus=cpus, port=_free_port(), node_port=_free_port()))
        self.environment = {**os.environ, "SLURM_CONF": str(conf)}
        self._munge()
        self._start("slurmctld", "-D", "-i")
        self._start("slurmd", "-D", "-N", host)
        self._wait()

    def _munge(self):
        home = self.folder / "munge"
        (home / "key").write_bytes(os.urandom(128))
        (home / "key").chmod(0o400)
        user = {}
        if subprocess.run(["id", "munge"], capture_output=True).returncode == 0:
            # its own user, as munged wants it; the socket lies in a folder that all can reach
            for path in (self.folder, home, home / "key"):
                shutil.chown(path, "munge", "munge")
            user = {"user": "munge", "group": "munge", "extra_groups": []}
        files = [f"--key-file={home}/key", f"--pid-file={home}/pid", f"--seed-file={home}/seed"]
        files += [f"--log-file={home}/log", f"--socket={self.folder}/munge.socket"]
        self._start("munged", "--foreground", "--force", *files, **user)
        for _ in range(50):
            if (self.folder / "munge.socket").exists():
                return
            time.sleep(0.1)
        raise RuntimeError((home / "log").read_text())

    def _start(self, program, *arguments, **user):
        with (self.folder / f"{program}.out").open("wb") as log:
            self.daemons.append(
                subprocess.Popen(
                    [_find(program), *arguments],
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    **user,
                )
            )

    def _wait(self):
        for _ in range(100):
            if "idle" in self.ask("sinfo", "-h", "-o", "%T"):
                return
            time.sleep(0.3)
        logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("slurm*.log"))
        self.stop()
        raise RuntimeError(f"The node did not come up.\n{logs}")

    def ask(self, *command):
        """Return what one of SLURM's commands prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return done.stdout + done.stderr

    def stop(self):
        """Cancel what is queued and end the daemons, the last one first."""
        self.ask("scancel", "--state=RUNNING,PENDING", "--user=root")
        for _ in range(60):
            if not self.ask("squeue", "-h").strip():
                break
            time.sleep(0.5)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
