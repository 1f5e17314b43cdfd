import type { NodeReport } from '../../../common/wire/node-report.ts'

export type MediaInput = NonNullable<NodeReport['inputs']>[number]

/** The agent draws it itself, in any size. */
export const TEST_CARD: MediaInput = {
  kind: 'test-card',
  device: 'test-card',
  label: 'Test card with a clock and a tone',
  formats: [],
}
