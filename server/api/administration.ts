import type { AdministrationParts } from './administration-parts.ts'
import { listAudit } from './audit/list-audit.ts'
import { initNode } from './enrolment/init-node.ts'
import { issueEnrolmentToken } from './enrolment/issue-enrolment-token.ts'
import { listEnrolmentTokens } from './enrolment/list-enrolment-tokens.ts'
import { renewNode } from './enrolment/renew-node.ts'
import { revokeEnrolmentToken } from './enrolment/revoke-enrolment-token.ts'
import { getRevocationList } from './keys/get-revocation-list.ts'
import { rotateKeys } from './keys/rotate-keys.ts'
import { deleteNode } from './nodes/delete-node.ts'
import { drainNode } from './nodes/drain-node.ts'
import { fieldRoutes } from './nodes/field-routes.ts'
import { getNode } from './nodes/get-node.ts'
import { listNodeCertificates } from './nodes/list-node-certificates.ts'
import { listNodes } from './nodes/list-nodes.ts'
import { patchNode } from './nodes/patch-node.ts'
import { revokeNode } from './nodes/revoke-node.ts'
import { getPolicy } from './policies/get-policy.ts'
import { getPolicyVersion } from './policies/get-policy-version.ts'
import { listPolicyVersions } from './policies/list-policy-versions.ts'
import { putPolicy } from './policies/put-policy.ts'
import { rollBackPolicy } from './policies/roll-back-policy.ts'
import { validatePolicy } from './policies/validate-policy.ts'
import type { Route } from './route.ts'
import { deleteSlate } from './slate/delete-slate.ts'
import { getSlate } from './slate/get-slate.ts'
import { putSlate } from './slate/put-slate.ts'
import { deleteTenant } from './tenants/delete-tenant.ts'
import { getTenant } from './tenants/get-tenant.ts'
import { listTenants } from './tenants/list-tenants.ts'
import { putTenant } from './tenants/put-tenant.ts'
import { getToken } from './tokens/get-token.ts'
import { issueToken } from './tokens/issue-token.ts'
import { listTokens } from './tokens/list-tokens.ts'
import { revokeToken } from './tokens/revoke-token.ts'
import { createWebhook } from './webhooks/create-webhook.ts'
import { deleteWebhook } from './webhooks/delete-webhook.ts'
import { getWebhook } from './webhooks/get-webhook.ts'
import { listWebhooks } from './webhooks/list-webhooks.ts'
import { patchWebhook } from './webhooks/patch-webhook.ts'
import { rotateWebhookSecret } from './webhooks/rotate-webhook-secret.ts'
import { testWebhook } from './webhooks/test-webhook.ts'

/** Every route of administration, in the order of the reference. */
export function administrationRoutes(parts: AdministrationParts): Route[] {
  const { webhooks, slates } = parts
  return [
    initNode(parts),
    renewNode(parts),
    listNodes(parts),
    getNode(parts),
    patchNode(parts),
    drainNode(parts),
    deleteNode(parts),
    listNodeCertificates(parts),
    revokeNode(parts),
    ...fieldRoutes({ ...parts, ...parts.field }),
    getPolicy(parts),
    putPolicy(parts),
    validatePolicy(parts),
    rollBackPolicy(parts),
    listPolicyVersions(parts),
    getPolicyVersion(parts),
    listTenants(parts),
    getTenant(parts),
    putTenant(parts),
    deleteTenant(parts),
    issueToken(parts),
    listTokens(parts),
    getToken(parts),
    revokeToken(parts),
    issueEnrolmentToken(parts),
    listEnrolmentTokens(parts),
    revokeEnrolmentToken(parts),
    rotateKeys(parts),
    getRevocationList(parts),
    listAudit(parts),
    createWebhook(webhooks),
    listWebhooks(webhooks),
    getWebhook(webhooks),
    patchWebhook(webhooks),
    rotateWebhookSecret(webhooks),
    testWebhook(webhooks),
    deleteWebhook(webhooks),
    putSlate(slates),
    getSlate(slates),
    deleteSlate(slates),
  ]
}
