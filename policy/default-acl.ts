import type { AclRule } from '../common/wire/policy-document.ts'

/**
 * The ACL of a tenant whose policy has no `acl`: each role may do its work, and nobody may do anything without a token.
 */
export const DEFAULT_ACL: readonly AclRule[] = [
  {
    name: 'operators run the tenant',
    effect: 'allow',
    subjects: ['role:operator'],
    actions: ['*'],
    streams: ['*'],
  },
  {
    name: 'directors direct',
    effect: 'allow',
    subjects: ['role:director'],
    actions: [
      'subscribe',
      'reroute',
      'decide',
      'control',
      'node.read',
      'node.command',
      'stream.read',
      'stream.write',
      'flow.read',
      'flow.revoke',
      'viewer.read',
      'program.read',
      'program.cut',
      'policy.read',
    ],
    streams: ['*'],
  },
  {
    name: 'publishers publish',
    effect: 'allow',
    subjects: ['role:publisher'],
    actions: ['publish', 'reroute', 'telemetry', 'stream.read', 'flow.read'],
    streams: ['*'],
  },
  {
    name: 'nodes carry media',
    effect: 'allow',
    subjects: ['role:node'],
    actions: ['publish', 'subscribe', 'reroute', 'telemetry', 'node.read', 'stream.read', 'flow.read'],
    streams: ['*'],
  },
  {
    name: 'viewers watch',
    effect: 'allow',
    subjects: ['role:viewer'],
    actions: ['subscribe', 'telemetry', 'stream.read'],
    streams: ['*'],
  },
]
