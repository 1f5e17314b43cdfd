import type { HubEndpoints } from '../../common/wire/enrolment.ts'
import type { ReleaseKeys } from '../../common/wire/release.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import type { Auth } from '../auth/open-auth.ts'
import { actorOf } from '../auth/principal.ts'
import type { PolicyBook } from '../policies/policy-book.ts'
import type { SlatePictures } from '../slates/slate-pictures.ts'
import type { Store } from '../store/store.ts'
import type { TenantBook } from '../tenants/tenant-book.ts'
import type { Topology } from '../topology/graph.ts'
import type { NodeDirectory } from '../topology/node-directory.ts'
import type { Webhooks } from '../webhooks/webhooks.ts'
import type { FieldSenders } from './nodes/field-senders.ts'
import type { RouteContext } from './route.ts'

/** Things of a tenant that keep the tenant from being deleted. */
export interface Dependants {
  /** Their name in the plural: `flows`. */
  readonly what: string
  readonly count: (tenantId: string) => Promise<number> | number
}

/** What administration works on. */
export interface AdministrationParts {
  readonly store: Pick<Store, 'list' | 'write' | 'auditPage'>
  readonly auth: Pick<
    Auth,
    'tokens' | 'enrolment' | 'certificates' | 'authorities' | 'revokeNode' | 'rotateAuthority'
  >
  readonly tenants: TenantBook
  readonly policies: PolicyBook
  readonly directory: NodeDirectory
  readonly topology: Topology
  readonly webhooks: Webhooks
  readonly slates: SlatePictures
  /** Beside nodes, tokens and webhooks, which are counted anyway. */
  readonly dependants?: readonly Dependants[]
  /** The keys that a device pins when it enrols; left out where there are no releases. */
  readonly releaseKeys?: () => ReleaseKeys | null
  /** The control channel's address for a node that reached the hub at `origin`; left out where there is no channel. */
  readonly controlUrl?: (origin: string) => string
  readonly field: FieldSenders
  /** The pin of the hub's own CA for machines that enrol; null where its certificate is of another CA, or it has none. */
  readonly authorityPin: () => string | null
  /** How often nodes are told to report, ms. */
  readonly telemetryIntervalMs: number
  /** Unix milliseconds. */
  readonly now: () => number
}

/** The addresses of the hub's API for a client that reached the hub at `origin`. */
export function hubEndpoints(parts: Pick<AdministrationParts, 'controlUrl'>, origin: string): HubEndpoints {
  const control = parts.controlUrl?.(origin)
  return {
    api: `${origin}/v1`,
    telemetry: `${origin}/v1/telemetry`,
    renew: `${origin}/v1/node/renew`,
    crl: `${origin}/v1/crl`,
    ...(control === undefined ? {} : { control }),
  }
}

/** What a caller did, for the audit trail. */
export function auditDraft(
  { principal, requestId }: Pick<RouteContext, 'principal' | 'requestId'>,
  owner: string,
  at: number,
  action: string,
  object: string,
  detail: Record<string, unknown>,
): AuditDraft {
  const actor = actorOf(principal)
  return {
    tenant_id: owner,
    at,
    actor,
    action,
    object,
    outcome: 'done',
    detail: { ...detail, request_id: requestId },
  }
}
