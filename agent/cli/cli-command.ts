/** One command of `lanecast-agent`. */
export interface CliCommand {
  /** Shown by `--help`: the command's arguments, one line for each way to call it. */
  readonly usage: readonly string[]
  /** What it does, in a line. */
  readonly about: string
  /**
   * @param args what stands behind the command's name
   * @returns the exit code: 0 done, 1 failed, 2 called wrongly
   * @throws CodedError, which is shown as a line with its details
   */
  run(args: readonly string[]): Promise<number>
}
