"""The form validation with WTForms example: port, original and cases."""
