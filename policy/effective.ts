import { CodedError } from '../common/errors.ts'
import { ACTIONS } from '../common/wire/ids.ts'
import type { ClassOverride, EncryptionDemand, PolicyDocument } from '../common/wire/policy-document.ts'
import { STREAM_CLASSES, type StreamClass } from '../common/wire/stream.ts'
import { LEAST_KBPS } from './abr-bounds.ts'
import { type CompiledAcl, compileAcl } from './acl.ts'
import type { TenantCeilings } from './capacity.ts'
import { CLASS_PROFILES, type ClassProfile } from './classes.ts'
import { DEFAULT_ACL } from './default-acl.ts'
import type { EncryptionRules } from './encryption.ts'
import type { SwitchRules } from './hysteresis.ts'
import { DEFAULT_WEIGHTS, hybrid } from './paths/hybrid.ts'
import { bandwidth, type CostStrategy, hops, latency, reputation } from './paths/strategies.ts'
import { compileRelayAlways, type RelayAlways } from './relays.ts'

/** A class with the tenant's own values. */
export interface EffectiveClass {
  readonly name: StreamClass
  readonly profile: ClassProfile
  readonly encryption: EncryptionRules
  readonly strategy: CostStrategy
  /** Runs over wired links with PTP and TSN only. */
  readonly deterministic: boolean
}

/** A tenant's policy with the defaults filled in and its patterns compiled. Make it once per version and keep it. */
export interface EffectivePolicy {
  readonly tenantId: string
  /** Version of the document; 0 means the defaults. */
  readonly version: number
  readonly acl: CompiledAcl
  readonly classes: Readonly<Record<StreamClass, EffectiveClass>>
  readonly avoidNodes: ReadonlySet<string>
  readonly preferNodes: ReadonlySet<string>
  readonly requireRegion: string | null
  /** Whose WebRTC media goes through a relay only. */
  readonly relayAlways: readonly RelayAlways[]
  /** Viewers on a sender's own network may get its media from the sender itself. */
  readonly lanDirect: boolean
  readonly ceilings: TenantCeilings
  readonly downgrade: boolean
  readonly contractSeconds: number
  readonly maxHops: number
  readonly switching: SwitchRules
}

export const POLICY_DEFAULTS = {
  contractSeconds: 600,
  maxHops: 4,
  switchSeconds: 30,
  switchMarginPercent: 20,
} as const

/**
 * @param document the tenant's document, `{}` for none
 * @throws CodedError policy_invalid (400) where numbers contradict each other or the defaults
 */
export function effectivePolicy(
  tenantId: string,
  document: PolicyDocument,
  version: number,
): EffectivePolicy {
  const { paths, admission, limits } = document
  const classes = {
    focus: effectiveClass('focus', document),
    director: effectiveClass('director', document),
    record: effectiveClass('record', document),
    bulk: effectiveClass('bulk', document),
  }
  const wrong = STREAM_CLASSES.flatMap((name) => contradictions(name, classes[name].profile))
  if (wrong.length > 0) {
    throw new CodedError('policy_invalid', 'the policy contradicts itself', { details: wrong })
  }
  return {
    tenantId,
    version,
    acl: compileAcl(document.acl ?? DEFAULT_ACL, ACTIONS),
    classes,
    avoidNodes: new Set(paths?.avoid_nodes),
    preferNodes: new Set(paths?.prefer_nodes),
    requireRegion: paths?.require_region ?? null,
    lanDirect: document.lan_direct ?? true,
    relayAlways: compileRelayAlways(document.relay?.always ?? []),
    ceilings: {
      maxStreams: admission?.max_streams ?? null,
      maxStreamsPerToken: admission?.max_streams_per_token ?? null,
      maxViewers: admission?.max_viewers ?? null,
      maxViewersPerStream: admission?.max_viewers_per_stream ?? null,
      maxViewersPerAddress: null,
      uplinkKbps: admission?.uplink_kbps ?? null,
    },
    downgrade: admission?.downgrade ?? true,
    contractSeconds: limits?.contract_seconds ?? POLICY_DEFAULTS.contractSeconds,
    maxHops: limits?.max_hops ?? POLICY_DEFAULTS.maxHops,
    switching: {
      minIntervalMs: 1000 * (limits?.switch_seconds ?? POLICY_DEFAULTS.switchSeconds),
      margin: (limits?.switch_margin_percent ?? POLICY_DEFAULTS.switchMarginPercent) / 100,
    },
  }
}

function effectiveClass(name: StreamClass, { classes, encryption, paths }: PolicyDocument): EffectiveClass {
  const profile = overridden(CLASS_PROFILES[name], classes?.[name] ?? {})
  return {
    name,
    profile,
    encryption: {
      ...strictest(encryption ?? {}, encryption?.classes?.[name] ?? {}),
      ristAuthentication: encryption?.rist_authentication ?? 'srp',
    },
    strategy: strategyNamed(paths?.strategies?.[name] ?? profile.strategy, paths?.hybrid ?? {}),
    deterministic: paths?.deterministic?.includes(name) ?? false,
  }
}

function overridden(profile: ClassProfile, override: ClassOverride): ClassProfile {
  const { video_kbps: video, rist_buffer: buffer, glass_to_glass_ms: glassToGlass } = override
  return {
    ...profile,
    glassToGlassMs: glassToGlass === undefined ? profile.glassToGlassMs : glassToGlass,
    videoKbps: {
      floor: video?.floor ?? profile.videoKbps.floor,
      start: video?.start ?? profile.videoKbps.start,
      ceiling: video?.ceiling ?? profile.videoKbps.ceiling,
    },
    ristBuffer: {
      rttMultiple: buffer?.rtt_multiple ?? profile.ristBuffer.rttMultiple,
      minMs: buffer?.min_ms ?? profile.ristBuffer.minMs,
      maxMs: buffer?.max_ms ?? profile.ristBuffer.maxMs,
    },
    uplinks: override.uplinks ?? profile.uplinks,
  }
}

/** A class can demand more encryption than the tenant does, never less. */
function strictest(tenant: EncryptionDemand, ofClass: EncryptionDemand) {
  const longest = tenant.min_aes_bits === 256 || ofClass.min_aes_bits === 256 ? 256 : 128
  return {
    minAesBits: longest,
    forbidTransports: new Set([...(tenant.forbid_transports ?? []), ...(ofClass.forbid_transports ?? [])]),
  } as const
}

type HybridOverride = NonNullable<NonNullable<PolicyDocument['paths']>['hybrid']>

function strategyNamed(name: CostStrategy['name'], weights: HybridOverride): CostStrategy {
  if (name !== 'hybrid') return { latency, bandwidth, hops, reputation }[name]
  return hybrid({
    latency: weights.latency ?? DEFAULT_WEIGHTS.latency,
    loss: weights.loss ?? DEFAULT_WEIGHTS.loss,
    bandwidth: weights.bandwidth ?? DEFAULT_WEIGHTS.bandwidth,
    hops: weights.hops ?? DEFAULT_WEIGHTS.hops,
    reputation: weights.reputation ?? DEFAULT_WEIGHTS.reputation,
  })
}

function contradictions(
  name: StreamClass,
  { videoKbps, ristBuffer, glassToGlassMs }: ClassProfile,
): string[] {
  const wrong: string[] = []
  const { floor, start, ceiling } = videoKbps
  if (!(floor <= start && start <= ceiling && ceiling > 0)) {
    wrong.push(
      `classes.${name}.video_kbps: floor ${floor} <= start ${start} <= ceiling ${ceiling} does not hold`,
    )
  }
  if (ceiling < LEAST_KBPS) {
    wrong.push(`classes.${name}.video_kbps: a ceiling of ${ceiling} is less than ${LEAST_KBPS}`)
  }
  const { minMs, maxMs } = ristBuffer
  if (minMs > maxMs) wrong.push(`classes.${name}.rist_buffer: min_ms ${minMs} is more than max_ms ${maxMs}`)
  if (glassToGlassMs !== null && minMs >= glassToGlassMs) {
    wrong.push(
      `classes.${name}: a buffer of at least ${minMs} ms can't meet ${glassToGlassMs} ms glass to glass`,
    )
  }
  return wrong
}
