"""sslyze on each listener of TLS: nothing old, nothing weak."""

import pathlib
import subprocess
import tempfile

from sslyze import ScanCommand, Scanner, ServerNetworkLocation, ServerScanRequest

from common import GATEWAY, Gateway, Served, certificate, check, end

OLD = [ScanCommand.SSL_2_0_CIPHER_SUITES, ScanCommand.SSL_3_0_CIPHER_SUITES, ScanCommand.TLS_1_0_CIPHER_SUITES,
       ScanCommand.TLS_1_1_CIPHER_SUITES]
NEW = [ScanCommand.TLS_1_2_CIPHER_SUITES, ScanCommand.TLS_1_3_CIPHER_SUITES]
OTHERS = [ScanCommand.HEARTBLEED, ScanCommand.TLS_COMPRESSION, ScanCommand.SESSION_RENEGOTIATION,
          ScanCommand.TLS_FALLBACK_SCSV, ScanCommand.TLS_1_3_EARLY_DATA, ScanCommand.OPENSSL_CCS_INJECTION, ScanCommand.ROBOT]
WEAK = ("_CBC_", "_RC4_", "_3DES_", "_NULL_", "TLS_RSA_WITH", "_EXPORT", "_anon_", "_MD5")
# A gateway has one at least; that nobody is there does not matter.
PLUGINS = "plugins: [{name: echo, transport: http, endpoint: 'http://127.0.0.1:1/'}]\n"


def scan(name, port):
    scanner = Scanner()
    where = ServerNetworkLocation("localhost", port=port, ip_address="127.0.0.1")
    scanner.queue_scans([ServerScanRequest(where, scan_commands={*OLD, *NEW, *OTHERS})])
    [result] = scanner.get_results()
    scanned = result.scan_result
    check(f"{name}: it is reached", scanned is not None, result.connectivity_error_trace)
    if scanned is None:
        return
    of = lambda command: getattr(scanned, command.value).result
    for command in OLD:
        suites = [suite.cipher_suite.name for suite in of(command).accepted_cipher_suites]
        check(f"{name}: {command.value}: none", not suites, suites)
    for command in NEW:
        suites = [suite.cipher_suite.name for suite in of(command).accepted_cipher_suites]
        weak = [suite for suite in suites if any(word in suite for word in WEAK)]
        check(f"{name}: {command.value}: {len(suites)}, none of them weak", suites and not weak, weak)
    renegotiates = of(ScanCommand.SESSION_RENEGOTIATION).is_vulnerable_to_client_renegotiation_dos
    check(f"{name}: no renegotiation that a client asks for", not renegotiates)
    check(f"{name}: no compression", not of(ScanCommand.TLS_COMPRESSION).supports_compression)
    check(f"{name}: no early data", not of(ScanCommand.TLS_1_3_EARLY_DATA).supports_early_data)
    check(f"{name}: no Heartbleed", not of(ScanCommand.HEARTBLEED).is_vulnerable_to_heartbleed)
    check(f"{name}: no CCS injection", not of(ScanCommand.OPENSSL_CCS_INJECTION).is_vulnerable_to_ccs_injection)
    robot = of(ScanCommand.ROBOT).robot_result.name
    check(f"{name}: no ROBOT", "NOT_VULNERABLE" in robot, robot)


with tempfile.TemporaryDirectory() as folder:
    cert, key = certificate(folder)
    with Served(cert, key) as served:
        scan("a plugin over HTTP", served.port)
    with Served(cert, key, protocol="grpc") as served:
        scan("a plugin over gRPC", served.port)
    with Gateway(PLUGINS, f", tls: {{cert_file: {cert}, key_file: {key}}}") as gateway:
        scan("the data plane", gateway.port)
    # The third listener of the gateway is not one of TLS, and does not pass for one.
    file = pathlib.Path(folder, "gateway.yaml")
    file.write_text(f"{PLUGINS}admin: {{tls: {{cert_file: {cert}, key_file: {key}}}}}\n")
    done = subprocess.run([GATEWAY, "validate", "--config", str(file)], capture_output=True, text=True)
    refused = done.returncode == 2 and "admin.tls: `tls` is not available" in done.stderr
    check("the admin plane has no TLS, and `admin.tls` is refused by its name", refused, done.stderr)
end()
