"""What sizes on one side and the cost of holding in the objective do to ten years of real futures."""
