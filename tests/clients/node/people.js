// An administrator manages people, roles and invitations.
"use strict";

const assert = require("node:assert/strict");
const { NOBODY, additional, api, refusal, v2 } = require("./stage.js");

const user = (id) => ({ data: { id, type: "users" } });
const changed = (userId, attributes) => ({ userId, body: { data: { id: userId, type: "users", attributes } } });

async function rolesAreListed(administrator) {
  const page = await administrator.listRoles();
  assert.deepEqual(additional(page), []);
  const names = page.data.map((role) => role.attributes.name);
  assert.deepEqual([names, page.meta.page.totalCount], [["admin", "standard", "read_only"], 3]);
  const [admin, standard, readOnly] = page.data;

  const shown = await administrator.getRole({ roleId: readOnly.id });
  assert.deepEqual([additional(shown), shown.data.attributes.userCount], [[], 0]);
  const permissions = await administrator.listRolePermissions({ roleId: readOnly.id });
  assert.deepEqual(additional(permissions), []);
  assert.deepEqual(
    permissions.data.map((one) => one.id),
    shown.data.relationships.permissions.data.map((one) => one.id),
  );
  const every = await administrator.listPermissions();
  assert.deepEqual([additional(every), every.data.length], [[], 12]);
  return [admin.id, standard.id];
}

async function peopleAreInvited(administrator, roleId) {
  const attributes = { email: "new@acme.example", name: "New" };
  const relationships = { roles: { data: [{ id: roleId, type: "roles" }] } };
  const made = await administrator.createUser({ body: { data: { type: "users", attributes, relationships } } });
  assert.deepEqual(additional(made), []);
  const userId = made.data.id;
  const { status, verified } = made.data.attributes;
  assert.deepEqual([status, verified, made.data.relationships.roles.data[0].id], ["Pending", false, roleId]);

  const invitation = { type: "user_invitations", relationships: { user: user(userId) } };
  const sent = await administrator.sendInvitations({ body: { data: [invitation] } });
  assert.deepEqual(additional(sent), ["meta"]);
  const userInvitationUuid = sent.data[0].id;
  assert.match(sent.additionalProperties.meta.links[userInvitationUuid], /\/invitation\//);
  const shown = await administrator.getInvitation({ userInvitationUuid });
  assert.deepEqual([additional(shown), shown.data.relationships.user.data.id], [[], userId]);
  assert.ok(shown.data.attributes.expiresAt > shown.data.attributes.createdAt);

  const renamed = await administrator.updateUser(changed(userId, { name: "Newer" }));
  assert.deepEqual([additional(renamed), renamed.data.attributes.name], [[], "Newer"]);
  return userId;
}

async function peopleAreListed(administrator, invited) {
  const page = await administrator.listUsers({ pageSize: 1, sort: "email", sortDir: "desc" });
  assert.deepEqual([additional(page), page.data[0].id, page.meta.page.totalCount], [[], invited, 2]);
  const every = [];
  for await (const one of administrator.listUsersWithPagination({ pageSize: 1 })) {
    every.push(one.id);
  }
  assert.equal(new Set(every).size, 2);
  const active = await administrator.listUsers({ filter: "ADMIN", filterStatus: "Active" });
  assert.deepEqual([active.data.length, active.meta.page.totalFilteredCount], [1, 1]);
  const shown = await administrator.getUser({ userId: active.data[0].id });
  assert.deepEqual([additional(shown), shown.data.attributes.verified], [[], true]);
  const permissions = await administrator.listUserPermissions({ userId: shown.data.id });
  assert.deepEqual([additional(permissions), permissions.data.length], [[], 12]);
  return shown.data.id;
}

async function rolesAreGiven(administrator, roleId, person, own) {
  const given = await administrator.addUserToRole({ roleId, body: user(person) });
  assert.deepEqual([additional(given), given.data[0].relationships.roles.data[0].id], [[], roleId]);
  const users = await administrator.listRoleUsers({ roleId });
  assert.deepEqual([additional(users), users.data.map((one) => one.id).sort()], [[], [person, own].sort()]);
  const refused = await refusal(() => administrator.removeUserFromRole({ roleId, body: user(person) }));
  assert.equal(refused.code, 400);
}

async function refusalsAreUnderstood(administrator, stranger, own) {
  for (const call of [
    () => administrator.getUser({ userId: NOBODY }),
    () => administrator.disableUser({ userId: NOBODY }),
    () => administrator.deleteUserInvitations({ userId: NOBODY }),
    () => administrator.getInvitation({ userInvitationUuid: NOBODY }),
  ]) {
    const refused = await refusal(call);
    assert.deepEqual([refused.code, refused.body.errors], [404, [`${NOBODY} not found`]]);
  }
  const needed = await refusal(() => administrator.disableUser({ userId: own }));
  assert.deepEqual([needed.code, needed.body.errors], [403, ["the organization needs an administrator"]]);
  const refused = await refusal(() => stranger.listUsers());
  assert.deepEqual([refused.code, refused.body.errors], [403, ["Forbidden"]]);
}

async function main() {
  const [users, roles] = [api(undefined, v2.UsersApi), api(undefined, v2.RolesApi)];
  const stranger = api({ apiKeyAuth: "0".repeat(32), appKeyAuth: "0".repeat(40) }, v2.UsersApi);
  const [adminRole, standardRole] = await rolesAreListed(roles);
  const invited = await peopleAreInvited(users, standardRole);
  const own = await peopleAreListed(users, invited);
  await rolesAreGiven(roles, adminRole, invited, own);
  await users.deleteUserInvitations({ userId: invited });
  await refusalsAreUnderstood(users, stranger, own);
  console.log("the journey ends well");
}

main();
