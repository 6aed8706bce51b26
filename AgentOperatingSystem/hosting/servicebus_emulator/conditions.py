"""What the broker refuses, each with the AMQP condition that the vendor's SDK turns into its own exception.

Every error carries an info map that is not empty: the SDK looks into it without asking whether it is there.
"""

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import Error
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Symbol


class ServiceBusRefusal(Exception):
    """Something that a client asked for and does not get; `status` is the code that `$management` answers with."""

    condition = "amqp:internal-error"
    status = 500

    def error(self) -> Error:
        """The same for the wire."""
        return Error(self.condition, str(self), {Symbol("source"): "local-service-bus"})


class EntityNotFound(ServiceBusRefusal):
    """No such queue, topic, subscription or sub-queue."""

    condition, status = "amqp:not-found", 404


class EntityExists(ServiceBusRefusal):
    """There is an entity, or a rule, of that name already."""

    condition, status = "com.microsoft:entity-already-exists", 409


class EntityDisabled(ServiceBusRefusal):
    """Administration has closed the entity for that."""

    condition, status = "com.microsoft:entity-disabled", 403


class NotAllowed(ServiceBusRefusal):
    """The entity does not do that."""

    condition, status = "amqp:not-allowed", 400


class InvalidRequest(ServiceBusRefusal):
    """The request or the message can never be taken as it is."""

    condition, status = "com.microsoft:argument-error", 400


class MessageTooLarge(ServiceBusRefusal):
    """The message is larger than the entity takes."""

    condition, status = "amqp:link:message-size-exceeded", 413


class QuotaExceeded(ServiceBusRefusal):
    """The entity is full."""

    condition, status = "amqp:resource-limit-exceeded", 403


class MessageLockLost(ServiceBusRefusal):
    """The lock has expired, was settled already, or never was."""

    condition, status = "com.microsoft:message-lock-lost", 410


class SessionLockLost(ServiceBusRefusal):
    """The session is not held any more."""

    condition, status = "com.microsoft:session-lock-lost", 410


class SessionCannotBeLocked(ServiceBusRefusal):
    """Somebody else holds the session."""

    condition, status = "com.microsoft:session-cannot-be-locked", 409


class MessageNotFound(ServiceBusRefusal):
    """No message with this sequence number that could be had."""

    condition, status = "com.microsoft:message-not-found", 404


class TimedOut(ServiceBusRefusal):
    """Nothing came in the time that the client gave."""

    condition, status = "com.microsoft:timeout", 408


class Unauthorized(ServiceBusRefusal):
    """The token does not allow it."""

    condition, status = "amqp:unauthorized-access", 401
