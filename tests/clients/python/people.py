"""An administrator manages people, roles and invitations."""

from uuid import UUID

from datadog_api_client.exceptions import ApiException, ForbiddenException, NotFoundException
from datadog_api_client.v2.api.roles_api import RolesApi
from datadog_api_client.v2.api.users_api import UsersApi
from datadog_api_client.v2.model.relationship_to_role_data import RelationshipToRoleData
from datadog_api_client.v2.model.relationship_to_roles import RelationshipToRoles
from datadog_api_client.v2.model.relationship_to_user import RelationshipToUser
from datadog_api_client.v2.model.relationship_to_user_data import RelationshipToUserData
from datadog_api_client.v2.model.query_sort_order import QuerySortOrder
from datadog_api_client.v2.model.roles_type import RolesType
from datadog_api_client.v2.model.user_create_attributes import UserCreateAttributes
from datadog_api_client.v2.model.user_create_data import UserCreateData
from datadog_api_client.v2.model.user_create_request import UserCreateRequest
from datadog_api_client.v2.model.user_invitation_data import UserInvitationData
from datadog_api_client.v2.model.user_invitation_relationships import UserInvitationRelationships
from datadog_api_client.v2.model.user_invitations_request import UserInvitationsRequest
from datadog_api_client.v2.model.user_invitations_type import UserInvitationsType
from datadog_api_client.v2.model.user_relationships import UserRelationships
from datadog_api_client.v2.model.user_update_attributes import UserUpdateAttributes
from datadog_api_client.v2.model.user_update_data import UserUpdateData
from datadog_api_client.v2.model.user_update_request import UserUpdateRequest
from datadog_api_client.v2.model.users_type import UsersType

from stage import NOBODY, additional, api, refusal

USERS = UsersType.USERS


def user(user_id):
    return RelationshipToUser(data=RelationshipToUserData(id=user_id, type=USERS))


def new(email, role_id):
    roles = RelationshipToRoles(data=[RelationshipToRoleData(id=role_id, type=RolesType.ROLES)])
    attributes = UserCreateAttributes(email=email, name="New")
    data = UserCreateData(attributes=attributes, relationships=UserRelationships(roles=roles), type=USERS)
    return UserCreateRequest(data=data)


def changed(user_id, **attributes):
    data = UserUpdateData(attributes=UserUpdateAttributes(**attributes), id=user_id, type=USERS)
    return UserUpdateRequest(data=data)


def roles_are_listed(client):
    page = client.list_roles()
    assert additional(page) == set(), page
    names = [role.attributes.name for role in page.data]
    assert (names, page.meta.page.total_count) == (["admin", "standard", "read_only"], 3), page
    admin, standard, read_only = page.data
    assert [role.attributes.user_count for role in page.data] == [1, 0, 0], page

    shown = client.get_role(read_only.id)
    assert additional(shown) == set() and shown.data.attributes.name == "read_only", shown
    permissions = client.list_role_permissions(read_only.id)
    assert additional(permissions) == set(), permissions
    assert [one.id for one in permissions.data] == [one.id for one in shown.data.relationships.permissions.data]
    every = client.list_permissions()
    assert additional(every) == set() and len(every.data) == 12, every
    assert {one.attributes.display_type for one in every.data} == {"read", "write"}, every
    return admin.id, standard.id


def people_are_invited(client, role_id):
    made = client.create_user(body=new("new@acme.example", role_id))
    assert additional(made) == set(), made
    person = made.data
    assert (person.attributes.status, person.attributes.verified) == ("Pending", False), made
    assert [role.id for role in person.relationships.roles.data] == [role_id], made

    relationships = UserInvitationRelationships(user=user(person.id))
    invitation = UserInvitationData(relationships=relationships, type=UserInvitationsType.USER_INVITATIONS)
    sent = client.send_invitations(body=UserInvitationsRequest(data=[invitation]))
    assert additional(sent) == {"meta"}, sent
    assert "/invitation/" in sent["meta"]["links"][sent.data[0].id], sent
    shown = client.get_invitation(sent.data[0].id)
    assert additional(shown) == set(), shown
    assert shown.data.attributes.expires_at > shown.data.attributes.created_at, shown
    assert shown.data.relationships.user.data.id == person.id, shown

    renamed = client.update_user(person.id, body=changed(person.id, name="Newer"))
    assert additional(renamed) == set() and renamed.data.attributes.name == "Newer", renamed
    return person.id


def people_are_listed(client, invited):
    page = client.list_users(page_size=1, sort="email", sort_dir=QuerySortOrder.DESC)
    every = list(client.list_users_with_pagination(page_size=1))
    assert additional(page) == set(), page
    assert (page.data[0].id, page.meta.page.total_count) == (invited, 2), page
    assert len({one.id for one in every}) == len(every) == 2, every
    active = client.list_users(filter="ADMIN", filter_status="Active")
    assert (len(active.data), active.meta.page.total_filtered_count) == (1, 1), active
    current = client.get_current_user()
    assert additional(current) == set() and current.data.id == active.data[0].id, current
    shown = client.get_user(current.data.id)
    assert additional(shown) == set() and shown.data.attributes.verified is True, shown
    permissions = client.list_user_permissions(current.data.id)
    assert additional(permissions) == set() and len(permissions.data) == 12, permissions
    return current.data.id


def roles_are_given(client, role_id, person, administrator):
    given = client.add_user_to_role(role_id, body=user(person))
    assert additional(given) == set(), given
    assert [role.id for role in given.data[0].relationships.roles.data] == [role_id], given
    users = client.list_role_users(role_id)
    assert additional(users) == set(), users
    assert {one.id for one in users.data} == {person, administrator}, users

    status, body = refusal(ApiException, lambda: client.remove_user_from_role(role_id, body=user(person)))
    assert (status, body) == (400, {"errors": ["every member has one role: give another one instead"]})


def refusals_are_understood(client, stranger, administrator):
    not_found = (404, {"errors": [f"{NOBODY} not found"]})
    for call in (client.get_user, client.disable_user, client.get_invitation):
        assert refusal(NotFoundException, lambda: call(NOBODY)) == not_found
    assert refusal(NotFoundException, lambda: client.delete_user_invitations(UUID(NOBODY))) == not_found
    needed = (403, {"errors": ["the organization needs an administrator"]})
    assert refusal(ForbiddenException, lambda: client.disable_user(administrator)) == needed
    status, body = refusal(ApiException, lambda: client.update_user(administrator, body=changed(NOBODY, name="X")))
    assert (status, body) == (422, {"errors": ["UUID's in the URL and request body do not match"]})
    assert refusal(ForbiddenException, stranger.list_users) == (403, {"errors": ["Forbidden"]})


users, roles = api(kind=UsersApi), api(kind=RolesApi)
admin_role, standard_role = roles_are_listed(roles)
pending = people_are_invited(users, standard_role)
own = people_are_listed(users, pending)
roles_are_given(roles, admin_role, pending, own)
assert users.delete_user_invitations(UUID(pending)) is None
refusals_are_understood(users, api(api_key="0" * 32, application_key="0" * 40, kind=UsersApi), own)
print("the journey ends well")
