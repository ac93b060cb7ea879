"""The code that grpcio-tools makes of our description, in a folder that is gone at the end."""

import sys
import tempfile

from grpc_tools import protoc

from common import ROOT

FOLDER = tempfile.TemporaryDirectory()
PROTO = ROOT / "plugin-transports/proto"
made = protoc.main(["protoc", f"-I{PROTO}", f"--python_out={FOLDER.name}", f"--grpc_python_out={FOLDER.name}",
                    "plugin/v1/plugin.proto"])
assert made == 0, "grpcio-tools makes code of plugin.proto"
sys.path.insert(0, FOLDER.name)

# Only now are they there.
from plugin.v1 import plugin_pb2 as messages
from plugin.v1 import plugin_pb2_grpc as services

__all__ = ["messages", "services"]
