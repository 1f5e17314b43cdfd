/** The names that inputs of a publisher's switched stream get (`server/flows/lane-inputs.ts`): `cam1.primary`, `cam1.standby-2`. */
const INPUT_NAME = /^(.+)\.(primary|standby)(-\d+)?$/

/** The switched stream to which a stream of this name would belong; null for any other name. */
export function laneOfInput(streamId: string): string | null {
  return INPUT_NAME.exec(streamId)?.[1] ?? null
}
