import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SystemRoots } from '../system-roots.ts'
import type { MediaInput } from './media-inputs.ts'

const MOST_DEVICES = 32
const MOST_RATES = 16

/**
 * Sound cards that record, by what the kernel's ALSA says in /proc/asound: nothing is opened, so that a card in use is
 * listed as well. Cards have names, which survive a replug, where their numbers don't.
 */
export async function readSoundInputs({ proc }: Pick<SystemRoots, 'proc'>): Promise<readonly MediaInput[]> {
  const asound = join(proc, 'asound')
  const cards = cardsIn(await textIn(join(asound, 'cards')))
  const inputs: MediaInput[] = []
  for (const { card, device } of capturesIn(await textIn(join(asound, 'pcm'))).slice(0, MOST_DEVICES)) {
    const known = cards.get(card)
    if (!known) continue
    const rates = captureRatesIn(await textIn(join(asound, `card${card}`, `stream${device}`)))
    inputs.push({
      kind: 'alsa',
      device: `hw:CARD=${known.id},DEV=${device}`,
      label: known.label,
      formats: [{ format: 'pcm', width: null, height: null, rates: [...rates] }],
    })
  }
  return inputs
}

/** ` 1 [C920           ]: USB-Audio - HD Pro Webcam C920`: number, name and label. */
function cardsIn(text: string): ReadonlyMap<number, { readonly id: string; readonly label: string }> {
  return new Map(
    Array.from(text.matchAll(/^ *(\d+) \[(\S+) *\]: .*? - (.+)$/gm), ([, number, id, label]) => [
      Number(number),
      { id: id!, label: label!.trim().slice(0, 200) },
    ]),
  )
}

/** `01-00: USB Audio : USB Audio : capture 1`: card and device. */
function capturesIn(text: string): readonly { readonly card: number; readonly device: number }[] {
  return Array.from(text.matchAll(/^(\d+)-(\d+):.*\bcapture \d+/gm), ([, card, device]) => ({
    card: Number(card),
    device: Number(device),
  }))
}

/** What a USB card says of its recording side: `Rates: 16000, 48000`, or `Rates: 8000 - 48000 (continuous)`. */
function captureRatesIn(text: string): readonly number[] {
  const capture = text.split(/^Capture:$/m)[1] ?? ''
  const all = Array.from(capture.matchAll(/^ *Rates: (.+)$/gm), ([, rates]) => rates!)
  const rates = all.flatMap((line) => Array.from(line.matchAll(/\d+/g), ([rate]) => Number(rate)))
  return [...new Set(rates)].toSorted((one, other) => one - other).slice(0, MOST_RATES)
}

async function textIn(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
