"""What can go wrong at the front door."""

from caas.kernel.errors import ForbiddenError, InvalidInputError, UnauthenticatedError


class TenantContextRequiredError(UnauthenticatedError):
    """No credential that names a tenant (seed case 26)."""

    code = "gateway.tenant_context_required"

    def __init__(self) -> None:
        super().__init__("Tenant context required")


class PermissionMissingError(ForbiddenError):
    """The credential is good and does not hold what the route takes."""

    code = "gateway.permission_missing"

    def __init__(self, permission: str) -> None:
        super().__init__(f"Missing permission: {permission}")


class AdministrationReservedError(ForbiddenError):
    """The tenant reserves administration for its administrators."""

    code = "gateway.administration_reserved"

    def __init__(self) -> None:
        super().__init__("Only administrators of this tenant may do this")


class SettingInvalidError(InvalidInputError):
    """One setting breaks a rule that its type can't express."""

    code = "gateway.setting_invalid"

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}", errors=((path, message),))
