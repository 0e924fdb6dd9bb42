/** Times as text, and the times that a viewer enters. */

// Not `hour12: false`: some locales write midnight as 24:00 then.
const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });

export const localTime = (iso: string): string => LOCAL.format(new Date(iso));
export const clockTime = (at: string | Date): string => CLOCK.format(new Date(at));
export const utcTime = (iso: string): string => new Date(iso).toISOString().replace("T", " ").replace("Z", " UTC");

/** "4 s", "12 min", "3 h", "5 d". */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7_200) return `${Math.round(whole / 60)} min`;
  if (whole < 172_800) return `${Math.round(whole / 3_600)} h`;
  return `${Math.round(whole / 86_400)} d`;
}

/** Whether a time stands for "no end": `awakeUntil` of a device that always listens. */
export const isForever = (iso: string | null | undefined): boolean => iso?.startsWith("9999-") ?? false;

/** A time as the value of an `<input type="datetime-local">`, to the second in the viewer's time zone; "" if it is none. */
export function inputTime(at: string | number | undefined): string {
  const time = new Date(at ?? NaN);
  if (Number.isNaN(time.getTime())) return "";
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** The ISO time of a value of `<input type="datetime-local">`; undefined if it is none. */
export function instantOf(text: string): string | undefined {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
