//! The ids and texts of the permissions, as the management API lists them. The ids are the same on
//! every server and never change.

use uuid::Uuid;

use crate::identity::permission::{Permission, Role};

/// A permission in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermissionDetails {
    pub id: Uuid,
    pub display_name: &'static str,
    pub description: &'static str,
    pub group: &'static str,
    /// Whether it permits to change something.
    pub writes: bool,
}

const fn details(
    id: u128,
    display_name: &'static str,
    description: &'static str,
    group: &'static str,
    writes: bool,
) -> PermissionDetails {
    PermissionDetails { id: Uuid::from_u128(id), display_name, description, group, writes }
}

const ACCESS: &str = "Access Management";
const APPS: &str = "Apps";
const KEYS: &str = "API and Application Keys";
const COMPLIANCE: &str = "Compliance";

impl Permission {
    /// Whether only administrators have the permission.
    pub const fn is_restricted(self) -> bool {
        !Role::Standard.permits(self)
    }

    pub const fn details(self) -> PermissionDetails {
        match self {
            Self::ApiKeysDelete => details(
                0x1eb1_e42e_dc3f_419c_bf82_e926_6379_bce4,
                "API Keys Delete",
                "Delete API keys of the organization.",
                KEYS,
                true,
            ),
            Self::ApiKeysRead => details(
                0xe7b7_f362_015b_49a0_83f1_ccb2_ad18_b02f,
                "API Keys Read",
                "List the API keys of the organization.",
                KEYS,
                false,
            ),
            Self::ApiKeysWrite => details(
                0x25f0_ebbd_9cc8_4676_b074_4e5d_c02b_a4d9,
                "API Keys Write",
                "Create and rename API keys of the organization.",
                KEYS,
                true,
            ),
            Self::AuditLogsRead => details(
                0xd5f4_1462_708c_4929_81df_74cd_15ec_3b36,
                "Audit Trail Read",
                "Read the audit trail of the organization.",
                COMPLIANCE,
                false,
            ),
            Self::ManageIntegrations => details(
                0xeabe_fde3_ae37_46d6_85e8_e486_e9fe_3154,
                "Integrations Manage",
                "Manage webhooks, and clients with a secret that the organization creates.",
                APPS,
                true,
            ),
            Self::OrgAuthorizedAppsRead => details(
                0xb362_eb99_97e2_4091_b21c_1973_b474_feab,
                "Authorized Apps Read",
                "See the apps that members authorized, and their restrictions.",
                APPS,
                false,
            ),
            Self::OrgAuthorizedAppsWrite => details(
                0x4bc3_6438_bea3_4bbe_882d_b0b9_b99c_fd0f,
                "Authorized Apps Write",
                "Restrict and disable apps, and end what members authorized.",
                APPS,
                true,
            ),
            Self::OrgManagement => details(
                0xaa39_1cb7_8daf_4728_bb24_95b0_524b_fe8e,
                "Org Management",
                "Change the settings of the organization.",
                ACCESS,
                true,
            ),
            Self::UserAccessInvite => details(
                0x89c4_cfac_11e2_41f5_af14_726e_aa74_ed00,
                "User Access Invite",
                "Invite users to the organization.",
                ACCESS,
                true,
            ),
            Self::UserAccessManage => details(
                0x4771_d89d_bfa7_4c6b_b7f3_65cf_4c78_8554,
                "User Access Manage",
                "Disable users and change their roles.",
                ACCESS,
                true,
            ),
            Self::UserAccessRead => details(
                0x3a0c_d51d_c5a3_4c8f_bfa0_4685_270e_9177,
                "User Access Read",
                "See users and their roles.",
                ACCESS,
                false,
            ),
            Self::UserAppKeys => details(
                0x0b30_0473_8822_4aaf_a823_7ec3_ab97_6919,
                "User App Keys",
                "Manage one's own application keys.",
                KEYS,
                true,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_ids_of_permissions_never_change() {
        let ids = Permission::ALL
            .map(|permission| format!("{permission} {}", permission.details().id.hyphenated()));
        assert_eq!(
            ids,
            [
                "api_keys_delete 1eb1e42e-dc3f-419c-bf82-e9266379bce4",
                "api_keys_read e7b7f362-015b-49a0-83f1-ccb2ad18b02f",
                "api_keys_write 25f0ebbd-9cc8-4676-b074-4e5dc02ba4d9",
                "audit_logs_read d5f41462-708c-4929-81df-74cd15ec3b36",
                "manage_integrations eabefde3-ae37-46d6-85e8-e486e9fe3154",
                "org_authorized_apps_read b362eb99-97e2-4091-b21c-1973b474feab",
                "org_authorized_apps_write 4bc36438-bea3-4bbe-882d-b0b9b99cfd0f",
                "org_management aa391cb7-8daf-4728-bb24-95b0524bfe8e",
                "user_access_invite 89c4cfac-11e2-41f5-af14-726eaa74ed00",
                "user_access_manage 4771d89d-bfa7-4c6b-b7f3-65cf4c788554",
                "user_access_read 3a0cd51d-c5a3-4c8f-bfa0-4685270e9177",
                "user_app_keys 0b300473-8822-4aaf-a823-7ec3ab976919",
            ]
        );
    }

    #[test]
    fn each_permission_has_its_own_id_and_texts() {
        let mut ids = BTreeSet::new();
        let mut texts = BTreeSet::new();
        for permission in Permission::ALL {
            let details = permission.details();
            assert!(ids.insert(details.id), "{permission}");
            assert!(texts.insert(details.description), "{permission}");
            let reads = permission.as_str().ends_with("_read");
            assert_eq!(details.writes, !reads, "{permission}");
        }
    }

    #[test]
    fn only_administrators_have_restricted_permissions() {
        let restricted: Vec<&str> = Permission::ALL
            .into_iter()
            .filter(|permission| permission.is_restricted())
            .map(Permission::as_str)
            .collect();
        assert_eq!(
            restricted,
            [
                "api_keys_delete",
                "audit_logs_read",
                "org_authorized_apps_write",
                "org_management",
                "user_access_invite",
                "user_access_manage",
            ]
        );
    }
}
