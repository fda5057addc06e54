"""An Apache Kafka that asks who you are: TLS, SCRAM, tokens, client certificates, and ACLs.

Its plain listener stays, for the test itself: who comes by it is the super user.
"""

from collections.abc import Iterable
from pathlib import Path

import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.support.apache_kafka import ApacheKafka
from worker.dev.process import free_port

_TYPES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "cluster": ResourceType.BROKER,
}


class SecureKafka(ApacheKafka):
    """Listeners for SASL over TLS, for mutual TLS, and one without any; nothing is allowed."""

    def __init__(self, ca: trustme.CA, directory: Path) -> None:
        super().__init__()
        self.sasl_port, self.tls_port = free_port(), free_port()
        self._key_store = directory / "broker.pem"
        self._trust_store = directory / "ca.pem"
        issued = ca.issue_cert("127.0.0.1")
        key = load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )  # the only format of a key that Java reads
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        self._key_store.write_bytes(key + chain)
        ca.cert_pem.write_to_path(str(self._trust_store))

    @property
    def over_sasl(self) -> str:
        """Address that asks for a SASL identity, over TLS."""
        return f"127.0.0.1:{self.sasl_port}"

    @property
    def over_tls(self) -> str:
        """Address that asks for a client's certificate."""
        return f"127.0.0.1:{self.tls_port}"

    def add_scram_user(self, name: str, password: str, mechanism: str) -> None:
        """Let a user in; what it may do is another question."""
        kind = {
            "SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256,
            "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512,
        }[mechanism]
        credential = UserScramCredentialUpsertion(
            name, ScramCredentialInfo(kind, 4096), password.encode()
        )
        admin = self._admin()  # to be held on to: a client that goes takes its answers along
        admin.alter_user_scram_credentials([credential])[name].result(20)

    def allow(self, user: str, rights: Iterable[tuple[str, str, str]]) -> None:
        """Let a user do (resource type, name, operation)."""
        bindings = [
            AclBinding(
                _TYPES[kind], name, ResourcePatternType.LITERAL, f"User:{user}", "*",
                AclOperation[operation], AclPermissionType.ALLOW,
            )
            for kind, name, operation in rights
        ]  # fmt: skip
        admin = self._admin()
        for future in admin.create_acls(bindings).values():
            future.result(20)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers})

    def _write_configuration(self, directory: Path) -> None:
        super()._write_configuration(directory)
        file = directory / "server.properties"
        written = dict(line.split("=", 1) for line in file.read_text().splitlines())
        ours = f"SASL_SSL://{self.over_sasl},SSL://{self.over_tls}"
        jaas = "org.apache.kafka.common.security"
        settings = {
            "listeners": f"{ours},{written['listeners']}",
            "advertised.listeners": f"{ours},{written['advertised.listeners']}",
            "listener.security.protocol.map": (
                f"{written['listener.security.protocol.map']},SASL_SSL:SASL_SSL,SSL:SSL"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._key_store,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._trust_store,
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": (
                "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER"
            ),
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": (
                f"{jaas}.scram.ScramLoginModule required;"
            ),
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                f"{jaas}.scram.ScramLoginModule required;"
            ),
            "listener.name.sasl_ssl.plain.sasl.jaas.config": (
                f'{jaas}.plain.PlainLoginModule required user_plazo="s3cret/plain";'
            ),
            # Takes tokens that nobody signed: it is our side that is on trial.
            "listener.name.sasl_ssl.oauthbearer.sasl.jaas.config": (
                f"{jaas}.oauthbearer.OAuthBearerLoginModule required "
                'unsecuredLoginStringClaim_sub="broker";'
            ),
            "authorizer.class.name": (
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
            ),
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:ANONYMOUS",
        }  # fmt: skip
        with file.open("a") as out:  # of two lines of one name the last counts
            out.writelines(f"{name}={value}\n" for name, value in settings.items())
