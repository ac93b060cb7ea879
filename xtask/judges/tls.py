"""sslyze on a plugin that is served over TLS: nothing old, nothing weak."""

import subprocess
import tempfile

from sslyze import ScanCommand, Scanner, ServerNetworkLocation, ServerScanRequest

from common import Served, check, end

OLD = [ScanCommand.SSL_2_0_CIPHER_SUITES, ScanCommand.SSL_3_0_CIPHER_SUITES, ScanCommand.TLS_1_0_CIPHER_SUITES,
       ScanCommand.TLS_1_1_CIPHER_SUITES]
NEW = [ScanCommand.TLS_1_2_CIPHER_SUITES, ScanCommand.TLS_1_3_CIPHER_SUITES]
OTHERS = [ScanCommand.HEARTBLEED, ScanCommand.TLS_COMPRESSION, ScanCommand.SESSION_RENEGOTIATION,
          ScanCommand.TLS_FALLBACK_SCSV, ScanCommand.TLS_1_3_EARLY_DATA, ScanCommand.OPENSSL_CCS_INJECTION, ScanCommand.ROBOT]
WEAK = ("_CBC_", "_RC4_", "_3DES_", "_NULL_", "TLS_RSA_WITH", "_EXPORT", "_anon_", "_MD5")

with tempfile.TemporaryDirectory() as folder:
    cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                    "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-addext", "basicConstraints=critical,CA:FALSE"], check=True, capture_output=True)
    with Served(cert, key) as served:
        scanner = Scanner()
        where = ServerNetworkLocation("localhost", port=served.port, ip_address="127.0.0.1")
        scanner.queue_scans([ServerScanRequest(where, scan_commands={*OLD, *NEW, *OTHERS})])
        for result in scanner.get_results():
            scanned = result.scan_result
            check("it is reached", scanned is not None, str(result.connectivity_error_trace))
            if scanned is None:
                break
            of = lambda command: getattr(scanned, command.value).result
            for command in OLD:
                suites = [suite.cipher_suite.name for suite in of(command).accepted_cipher_suites]
                check(f"{command.value}: none", not suites, suites)
            for command in NEW:
                suites = [suite.cipher_suite.name for suite in of(command).accepted_cipher_suites]
                weak = [suite for suite in suites if any(word in suite for word in WEAK)]
                check(f"{command.value}: {len(suites)}, none of them weak", suites and not weak, weak)
            check("no renegotiation that a client asks for", not of(ScanCommand.SESSION_RENEGOTIATION).is_vulnerable_to_client_renegotiation_dos)
            check("no compression", not of(ScanCommand.TLS_COMPRESSION).supports_compression)
            check("no early data", not of(ScanCommand.TLS_1_3_EARLY_DATA).supports_early_data)
            check("no Heartbleed", not of(ScanCommand.HEARTBLEED).is_vulnerable_to_heartbleed)
            check("no CCS injection", not of(ScanCommand.OPENSSL_CCS_INJECTION).is_vulnerable_to_ccs_injection)
            check("no ROBOT", "NOT_VULNERABLE" in of(ScanCommand.ROBOT).robot_result.name, of(ScanCommand.ROBOT).robot_result.name)
end()
