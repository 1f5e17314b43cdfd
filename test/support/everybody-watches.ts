import { DEFAULT_ACL } from '../../policy/default-acl.ts'
import type { TestHub } from './hub.ts'

type Policy = Parameters<TestHub['putPolicy']>[0]

/** Puts a policy in force by which anybody may watch any stream, without a token. @param more of the policy, beside its ACL */
export async function letEverybodyWatch(hub: TestHub, more: Omit<Policy, 'acl'> = {}): Promise<void> {
  const rule = { effect: 'allow' as const, subjects: ['anonymous'], actions: ['subscribe' as const] }
  await hub.putPolicy({ ...more, acl: [...DEFAULT_ACL, { ...rule, name: 'everybody watches' }] })
}
