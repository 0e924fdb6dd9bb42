/** A labeled control that shows the error of its input field. */

import { createContext, type ReactNode, useContext, useId } from "react";

/** The input field that is invalid, by its GraphQL path. */
export interface Invalid {
  field: string;
  message: string;
}

export const InvalidContext = createContext<Invalid | undefined>(undefined);

/** Attributes of the control of a field. */
export interface ControlProps {
  "data-field": string;
  "aria-invalid": boolean;
  "aria-describedby": string | undefined;
}

interface Props {
  /** GraphQL path of the input field. */
  name: string;
  label: ReactNode;
  hint?: ReactNode;
  children: (control: ControlProps) => ReactNode;
}

export function Field({ name, label, hint, children }: Props): ReactNode {
  const invalid = useContext(InvalidContext);
  const id = useId();
  const message = invalid?.field === name ? invalid.message : undefined;
  const described = [message && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ") || undefined;
  return (
    <div className="field">
      <label>
        {label}
        {children({ "data-field": name, "aria-invalid": message !== undefined, "aria-describedby": described })}
      </label>
      {hint && (
        <p className="muted" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {message && (
        <p className="field-error" id={`${id}-error`}>
          {message}
        </p>
      )}
    </div>
  );
}

/** A group of controls that shows the errors which belong to none of them. */
export function FieldGroup({ name, legend, children }: { name: string; legend: string; children: ReactNode }): ReactNode {
  const invalid = useContext(InvalidContext);
  const id = useId();
  const message = invalid?.field === name ? invalid.message : undefined;
  return (
    <fieldset
      className="rows"
      data-field={name}
      data-invalid={message !== undefined}
      tabIndex={message === undefined ? undefined : -1}
      aria-describedby={message && `${id}-error`}
    >
      <legend>{legend}</legend>
      {children}
      {message && (
        <p className="field-error" id={`${id}-error`}>
          {message}
        </p>
      )}
    </fieldset>
  );
}

interface TextFieldProps {
  /** GraphQL path of the input field. */
  name: string;
  label: ReactNode;
  hint?: ReactNode;
  className?: string;
  value: string;
  onChange: (value: string) => void;
}

/** A required text in one line, of at most 255 characters. */
export function TextField({ name, label, hint, className, value, onChange }: TextFieldProps): ReactNode {
  return (
    <Field name={name} label={label} hint={hint}>
      {(control) => (
        <input
          {...control}
          className={className}
          value={value}
          required
          maxLength={255}
          autoComplete="off"
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

/** The known field that a field of the server belongs to: the longest one that it begins with. */
export function nearestField(field: string, known: Iterable<string>): string | undefined {
  const name = field.replace(/^inputs?\.(\d+\.)?/, "");
  return [...known].filter((one) => name === one || name.startsWith(`${one}.`)).sort((left, right) => right.length - left.length)[0];
}
